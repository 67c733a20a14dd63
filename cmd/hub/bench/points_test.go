package bench

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// bus is a device of so many points with a level each, which the test changes.
type bus struct {
	mu   sync.Mutex
	host nodes.Host
	ids  []string
}

func (b *bus) Update(nodes.Change) {}

func (b *bus) Run(ctx context.Context) error {
	list := make([]nodes.Reading, len(b.ids))
	for i, id := range b.ids {
		list[i] = level(id, 0)
	}
	b.host.Report(list)
	<-ctx.Done()
	return nil
}

func level(id string, v float64) nodes.Reading {
	return nodes.Reading{Node: id, MaxAge: time.Hour, Fields: []nodes.Field{
		{Name: "Level", Value: nodes.Quantity(v, 2, "m"), Time: time.Now(), Category: nodes.Momentary}}}
}

// set changes the level of a point.
func (b *bus) set(id string, v float64) { b.host.Report([]nodes.Reading{level(id, v)}) }

// points makes a catalog over a bus "b" with count points, whose ids are returned, for
// ops.
func points(t *testing.T, ops string, count int) (*datasources.Catalog, *bus) {
	t.Helper()
	b := &bus{}
	set, err := adapters.NewSet(adapters.Factory{Name: "bus", Types: []nodes.Type{
		{Name: "bus", Title: "Bus", Parents: []string{nodes.TypeRoot}, Connects: true},
		{Name: "point", Title: "Point", Parents: []string{"bus"}, Caps: nodes.CanRead}},
		Open: func(e adapters.Env) (nodes.Device, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.host, b.ids = e.Host, nil
			for _, c := range e.Node.Children {
				b.ids = append(b.ids, c.ID)
			}
			return b, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := tree.New(tree.Config{Types: set.Types(), Store: &tree.Memory{}, Opener: set})
	if err != nil {
		t.Fatal(err)
	}
	go tr.Run(t.Context())
	top := &nodes.Node{Spec: nodes.Spec{Name: "b", Type: "bus"}}
	for i := range count {
		top.Children = append(top.Children, &nodes.Node{Spec: nodes.Spec{ID: "p" + strconv.Itoa(i), Name: fmt.Sprintf("Point %d", i), Type: "point"}})
	}
	if err := tr.Import(t.Context(), []*nodes.Node{top}); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, fresh, _ := tr.Current("p" + strconv.Itoa(count-1)); fresh {
			break
		}
		if time.Now().After(until) {
			t.Fatal("the points have no values")
		}
	}
	return datasources.New(datasources.NewAccess(datasources.Rule{Who: []string{ops}, May: nodes.AllRights}), set.Tap, tr), b
}
