package synchronization

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
)

// What a [Monitor] does where it is not told.
const (
	// DefaultEvery is how often the clocks are compared.
	DefaultEvery = 5 * time.Minute
	// DefaultSamples is how many samples are taken then.
	DefaultSamples = 9
	// DefaultPause is the pause between them.
	DefaultPause = time.Second
)

const (
	// askTime is how long one answer may take.
	askTime = 10 * time.Second
	// offlinePause is when to try again where there was no connection.
	offlinePause = time.Second
)

// Monitor compares our clock with that of a source, over and over. The exported
// fields are set before Run; the methods are safe for concurrent use.
type Monitor struct {
	Source string // address of whoever serves synchronization: a server, a component, a full JID
	Space  string // the family to ask in; empty: the first
	// Link returns the link to ask by, or nil while there is none.
	Link    func() ext.Link
	Every   time.Duration // 0: [DefaultEvery]
	Samples int           // 0: [DefaultSamples]
	Pause   time.Duration // 0: [DefaultPause]
	Log     *slog.Logger  // gets a line when comparing begins to fail or to work; nil: none

	mu   sync.Mutex
	last Difference
	at   time.Time // of last; zero: none yet
	err  error     // of the last comparison
}

var errOffline = errors.New("there is no connection to the broker")

// Run compares until ctx ends; it then returns nil.
func (m *Monitor) Run(ctx context.Context) error {
	every := cmp.Or(m.Every, DefaultEvery)
	for {
		pause := every
		if m.compare(ctx); m.offline() {
			pause = min(pause, offlinePause)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// offline tells whether there was no connection the last time.
func (m *Monitor) offline() bool {
	_, _, err := m.Last()
	return err == errOffline
}

func (m *Monitor) compare(ctx context.Context) {
	count, pause := cmp.Or(m.Samples, DefaultSamples), cmp.Or(m.Pause, DefaultPause)
	inner, cancel := context.WithTimeout(ctx, time.Duration(count)*pause+askTime)
	defer cancel()
	var d Difference
	err := errOffline
	if l := m.Link(); l != nil {
		d, err = Compare(inner, l, m.Source, m.Space, count, pause)
	}
	if ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	changed := (err == nil) != (m.err == nil)
	if m.err = err; err == nil {
		m.last, m.at = d, time.Now()
	}
	m.mu.Unlock()
	switch {
	case m.Log == nil || !changed || err == errOffline: // that is logged by who connects
	case err != nil:
		m.Log.Warn("clock not compared", "source", m.Source, "why", err)
	default:
		m.Log.Info("clock compared", "source", m.Source, "offset", d.Offset, "jitter", d.Jitter)
	}
}

// Last returns what the last comparison that worked found, when, and why a later one
// did not; at is zero before the first.
func (m *Monitor) Last() (d Difference, at time.Time, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last, m.at, m.err
}

// Fields tells the same as fields of status, in ms: "Clock source", "Clock offset"
// (positive when ours is behind), "Clock jitter" and "Clock latency". They have the
// time of the comparison, and the warning flag when later ones did not work. Before
// the first there is only the source.
func (m *Monitor) Fields(now time.Time) []nodes.Field {
	d, at, err := m.Last()
	out := []nodes.Field{{Name: "Clock source", Value: nodes.String(m.Source), Time: now, Category: nodes.Status}}
	if at.IsZero() {
		return out
	}
	var q nodes.QoS
	if err != nil {
		q = nodes.Warning
	}
	add := func(name string, v time.Duration) {
		out = append(out, nodes.Field{Name: name, Value: nodes.Quantity(float64(v)/float64(time.Millisecond), 3, "ms"), Time: at, Category: nodes.Status, QoS: q})
	}
	add("Clock offset", d.Offset)
	add("Clock jitter", d.Jitter)
	add("Clock latency", d.Latency)
	return out
}
