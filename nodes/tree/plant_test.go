package tree

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// The types of a made-up adapter: a bus with boxes that have channels.
var testTypes = []nodes.Type{
	{Name: "bus", Title: "Bus", Parents: []string{nodes.TypeRoot, nodes.TypeFolder, "box"}, Connects: true, Caps: nodes.CanSniff,
		Params: []nodes.Param{{ID: "Port", Kind: nodes.KindInt32, Default: nodes.Int32(7), Min: nodes.Int32(1), Max: nodes.Int32(9)},
			{ID: "Key", Kind: nodes.KindString, Secret: true}}},
	{Name: "box", Title: "Box", Parents: []string{"bus"}, Caps: nodes.CanRead},
	{Name: "channel", Title: "Channel", Parents: []string{"box"}, Caps: nodes.CanRead, Part: true},
	{Name: "channel.slow", Base: "channel", Title: "Slow channel", Parents: []string{"box"}, Caps: nodes.CanRead, Part: true},
}

// bus is a device whose behaviour a test sets.
type bus struct {
	node *nodes.Node
	host nodes.Host
	p    *plant
}

// plant opens buses and remembers what happened to them.
type plant struct {
	mu       sync.Mutex
	opened   int
	running  int
	changes  []nodes.Change
	interest [][]nodes.Interest
	asked    [][]string
	buses    map[string]*bus
	openErr  error
	runErr   error
	answer   func(ctx context.Context, id string) nodes.Reading
	run      func(ctx context.Context) error // instead of waiting for the end
}

func (p *plant) Open(n *nodes.Node, h nodes.Host) (nodes.Device, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened++
	if p.openErr != nil {
		return nil, p.openErr
	}
	b := &bus{n, h, p}
	if p.buses == nil {
		p.buses = make(map[string]*bus)
	}
	p.buses[n.ID] = b
	return b, nil
}

func (p *plant) Forget(string) {}

func (b *bus) Run(ctx context.Context) error {
	b.p.mu.Lock()
	b.p.running++
	err, run := b.p.runErr, b.p.run
	b.p.mu.Unlock()
	defer func() { b.p.set(func() { b.p.running-- }) }()
	switch {
	case run != nil:
		return run(ctx)
	case err == nil:
		<-ctx.Done()
	}
	return err
}

func (b *bus) Update(c nodes.Change) {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	b.p.changes = append(b.p.changes, c)
}

func (b *bus) Interest(list []nodes.Interest) {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	b.p.interest = append(b.p.interest, list)
}

func (b *bus) Read(ctx context.Context, ids []string, yield func(nodes.Reading)) {
	b.p.mu.Lock()
	b.p.asked = append(b.p.asked, ids)
	answer := b.p.answer
	b.p.mu.Unlock()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			r := answer(ctx, id)
			if ctx.Err() != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			yield(r)
		})
	}
	wg.Wait()
}

func value(id, name string, f float64) nodes.Reading {
	return nodes.Reading{Node: id, MaxAge: time.Minute, Fields: []nodes.Field{
		{Name: name, Value: nodes.Quantity(f, 1, "°C"), Time: time.Now(), Category: nodes.Momentary}}}
}

// grow starts a tree with one bus "B", a box "B/X" and channels "B/X/a", "B/X/b".
func grow(t *testing.T, p *plant, store Store) *Tree {
	t.Helper()
	tr, err := New(Config{Types: testTypes, Store: store, Opener: p})
	if err != nil {
		t.Fatal(err)
	}
	run(t, tr)
	if _, ok := tr.Info("B", nodes.Detail{}); !ok {
		list := []*nodes.Node{{Spec: nodes.Spec{Name: "B", Type: "bus"}, Children: []*nodes.Node{
			{Spec: nodes.Spec{Name: "X", Type: "box"}, Children: []*nodes.Node{
				{Spec: nodes.Spec{Name: "a", Type: "channel"}},
				{Spec: nodes.Spec{Name: "b", Type: "channel.slow"}},
			}}}}}
		if err := tr.Import(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the bus runs", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.running > 0 || p.openErr != nil || p.runErr != nil
	})
	return tr
}

func run(t *testing.T, tr *Tree) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("Run: %v", err)
				}
			case <-time.After(5 * time.Second):
				t.Error("Run does not return")
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

var errBroken = errors.New("cable cut")
