package synchronization

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// Sample is one comparison of two clocks.
type Sample struct {
	Offset  time.Duration // that one minus ours: positive when ours is behind
	Latency time.Duration // half of the way there and back
}

// Difference is what a number of samples say.
type Difference struct {
	Offset  time.Duration // median of those that took the shortest way
	Jitter  time.Duration // standard deviation of theirs
	Latency time.Duration // their median
	Samples int           // how many there were
}

// Ask compares our clock once with that of somebody else, a hub or a server. space
// is the family to ask in; empty: the first.
func Ask(ctx context.Context, l ext.Link, to, space string) (Sample, error) {
	began := time.Now()
	e, err := l.Ask(ctx, to, "get", []byte("<req xmlns='"+cmp.Or(space, NSNFI)+"'/>"))
	took := time.Since(began) // of the monotonic clock: ours may be set meanwhile
	if err != nil {
		return Sample{}, err
	}
	theirs, err := parse(e)
	if err != nil {
		return Sample{}, err
	}
	return Sample{Offset: theirs.Sub(began.Round(0).Add(took / 2)), Latency: took / 2}, nil
}

// Source asks somebody which clock his own is measured against.
func Source(ctx context.Context, l ext.Link, to, space string) (string, error) {
	e, err := l.Ask(ctx, to, "get", []byte("<sourceReq xmlns='"+cmp.Or(space, NSNFI)+"'/>"))
	if err != nil || e == nil {
		return "", err
	}
	return e.Text, nil
}

func parse(e *wire.Element) (time.Time, error) {
	if e != nil && e.Name.Local == "resp" {
		if t, err := time.Parse(time.RFC3339Nano, e.Text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, nodes.Errorf(nodes.Invalid, "synchronize", nodes.Ref{}, "the answer holds no time")
}

// Compare takes samples, one every pause, and sums them up. Samples that took
// longer than the usual way are left out: what they say is how busy the network
// is. It fails when ctx ends or an answer is none.
func Compare(ctx context.Context, l ext.Link, to, space string, count int, pause time.Duration) (Difference, error) {
	var list []Sample
	for i := range count {
		if i > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return Difference{}, ctx.Err()
			}
		}
		s, err := Ask(ctx, l, to, space)
		if err != nil {
			return Difference{}, err
		}
		list = append(list, s)
	}
	return Sum(list)
}

// Sum sums samples up.
func Sum(list []Sample) (Difference, error) {
	if len(list) == 0 {
		return Difference{}, errors.New("no samples")
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Sample) int { return cmp.Compare(a.Latency, b.Latency) })
	short := list[:(len(list)+1)/2]
	d := Difference{Latency: short[len(short)/2].Latency, Samples: len(list)}
	slices.SortFunc(short, func(a, b Sample) int { return cmp.Compare(a.Offset, b.Offset) })
	d.Offset = short[len(short)/2].Offset
	var sum float64
	for _, s := range short {
		off := float64(s.Offset - d.Offset)
		sum += off * off
	}
	d.Jitter = time.Duration(math.Sqrt(sum / float64(len(short))))
	return d, nil
}
