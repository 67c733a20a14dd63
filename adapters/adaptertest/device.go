package adaptertest

import (
	"context"
	"slices"
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

// Set writes values with a time limit and returns the outcomes. It fails the test
// when there is not one final outcome for each, in order.
func (d *Device) Set(within time.Duration, list ...nodes.Setting) []nodes.Outcome {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return d.setAll(ctx, list)
}

func (d *Device) setAll(ctx context.Context, list []nodes.Setting) []nodes.Outcome {
	t := d.t
	t.Helper()
	s, ok := d.Device.(nodes.Setter)
	if !ok {
		t.Error("the device cannot be written")
		return make([]nodes.Outcome, len(list))
	}
	defer d.Host.Calling()()
	o := NewOutcomes(len(list))
	s.Set(ctx, slices.Clone(list), o.Yield)
	out, problems := o.Close()
	for _, p := range problems {
		t.Error("Set: " + p)
	}
	t.Cleanup(func() { // also what came after it had returned
		for _, p := range o.Problems()[len(problems):] {
			t.Error("Set: " + p)
		}
	})
	return out
}

// Execute runs a command with a time limit; its parameters are taken as they are.
func (d *Device) Execute(within time.Duration, node, command string, p nodes.Params) error {
	d.t.Helper()
	c, ok := d.Device.(nodes.Commander)
	if !ok {
		d.t.Fatal("the device runs no commands")
	}
	defer d.Host.Calling()()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return c.Execute(ctx, node, command, p)
}

// Query runs a query with a time limit and returns what it finds; its parameters
// are taken as they are. It fails the test when the findings break the contract.
func (d *Device) Query(within time.Duration, node, command string, p nodes.Params) ([]nodes.Finding, error) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return d.query(ctx, Running{Node: node, Command: command, Params: p}, nil)
}

func (d *Device) query(ctx context.Context, q Running, take nodes.Put) ([]nodes.Finding, error) {
	t := d.t
	t.Helper()
	c, ok := d.Device.(nodes.Commander)
	if !ok {
		t.Error("the device runs no queries")
		return nil, nil
	}
	defer d.Host.Calling()()
	f := NewFindings(take)
	err := c.Query(ctx, q.Node, q.Command, q.Params, f.Put)
	list, problems := f.Close(err == nil && ctx.Err() == nil)
	for _, p := range problems {
		t.Error("Query: " + p)
	}
	t.Cleanup(func() {
		for _, p := range f.Problems()[len(problems):] {
			t.Error("Query: " + p)
		}
	})
	return list, err
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
