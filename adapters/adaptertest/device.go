package adaptertest

import (
	"context"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/sniffer"
)

// StopsWithin is how long a device may take to stop.
const StopsWithin = 2 * time.Second

// Device is a running device under test.
type Device struct {
	nodes.Device
	Host *Host
	Tap  *sniffer.Tap

	t      testing.TB
	cancel context.CancelFunc
	done   chan error
	over   bool
}

// Start opens a device and runs it until Stop, or the end of the test, when its
// problems are reported.
func Start(t testing.TB, f adapters.Factory, n *nodes.Node) *Device {
	t.Helper()
	return StartWith(t, f, n, NewHost(n))
}

// StartWith does as Start, with a host that was made before.
func StartWith(t testing.TB, f adapters.Factory, n *nodes.Node, h *Host) *Device {
	t.Helper()
	tap := sniffer.NewTap()
	dev, err := f.Open(adapters.Env{Node: n, Host: h, Tap: tap})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := &Device{Device: dev, Host: h, Tap: tap, t: t, cancel: cancel, done: make(chan error, 1)}
	go func() {
		err := dev.Run(ctx)
		h.Over()
		d.done <- err
	}()
	t.Cleanup(d.Stop)
	return d
}

// Stop ends Run and fails the test when it takes too long or returned before. It
// may be called more than once.
func (d *Device) Stop() {
	d.t.Helper()
	if d.over {
		return
	}
	d.over = true
	select {
	case err := <-d.done:
		d.t.Errorf("Run returned by itself: %v", err)
	default:
		d.cancel()
		select {
		case err := <-d.done:
			if err != nil && err != context.Canceled {
				d.t.Errorf("Run returned %v at the end of its context", err)
			}
		case <-time.After(StopsWithin):
			d.t.Errorf("Run did not return within %v of the end of its context", StopsWithin)
		}
	}
	d.cancel()
	for _, p := range d.Host.Problems() {
		d.t.Error(p)
	}
}

// Read reads nodes with a time limit and returns the readings by id. It fails
// the test when one comes twice, at the same time as another, or unasked.
func (d *Device) Read(within time.Duration, ids ...string) map[string]nodes.Reading {
	d.t.Helper()
	r, ok := d.Device.(nodes.Reader)
	if !ok {
		d.t.Fatal("the device cannot be read")
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return readAll(ctx, d.t, r, ids)
}

func readAll(ctx context.Context, t testing.TB, r nodes.Reader, ids []string) map[string]nodes.Reading {
	t.Helper()
	wanted := make(map[string]bool)
	for _, id := range ids {
		wanted[id] = true
	}
	got := make(map[string]nodes.Reading)
	busy := make(chan struct{}, 1)
	r.Read(ctx, ids, func(x nodes.Reading) {
		select {
		case busy <- struct{}{}:
		default:
			t.Error("yield was called while it ran")
		}
		if _, twice := got[x.Node]; twice || !wanted[x.Node] {
			t.Errorf("yielded %s, which came before or was not asked for", x.Node)
		}
		got[x.Node] = x
		<-busy
	})
	return got
}

// Fill checks the parameters of a node and all below it against the types of an
// adapter and fills in the defaults and ids, as the tree does. It fails the test
// when a parameter is wrong.
func Fill(t testing.TB, f adapters.Factory, n *nodes.Node) *nodes.Node {
	t.Helper()
	types := make(map[string]*nodes.Type)
	for i := range f.Types {
		types[f.Types[i].Name] = &f.Types[i]
	}
	n.Walk(func(n *nodes.Node) bool {
		if n.ID == "" {
			n.ID = n.Name
			if n.Parent != "" && n.Parent != nodes.RootID {
				n.ID = n.Parent + "/" + n.Name
			}
		}
		for _, c := range n.Children {
			c.Parent = n.ID
		}
		typ := types[n.Type]
		if typ == nil {
			return true
		}
		params, wrong := param.Check(typ.Params, n.Params)
		if len(wrong) == 0 && typ.Check != nil {
			wrong = typ.Check(params)
		}
		for id, text := range wrong {
			t.Errorf("%s: %s %s", n.ID, id, text)
		}
		n.Params = params
		return true
	})
	if t.Failed() {
		t.FailNow()
	}
	return n
}
