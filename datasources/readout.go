package datasources

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
)

const (
	// readoutTime is how long devices have to answer a readout report.
	readoutTime = 2 * time.Minute
	// readoutGather is how long a readout report gathers rows before it puts them.
	readoutGather = 100 * time.Millisecond
	// readoutRows are put at once, at most.
	readoutRows = 200
)

const valuesTable = "values"

// readout reads a branch and lists what it finds, as it comes.
func (r *report) readout(ctx context.Context, id string) error {
	ids, states := r.readable(id)
	err := r.all(nodes.QueryTitle("Readout of "+id), nodes.Table{ID: valuesTable, Name: "Values", Columns: []nodes.Column{
		{ID: "Node", Source: r.tree.ID()}, {ID: "Field"}, {ID: "Value", Align: nodes.AlignRight}, {ID: "Unit"},
		{ID: "Quality"}, {ID: "Age", Align: nodes.AlignRight}, {ID: "State"}}})
	if err != nil {
		return err
	}
	inbox := &inbox{wake: make(chan struct{}, 1)} // of as many readings as there are nodes
	reading, cancel := context.WithTimeout(ctx, readoutTime)
	defer cancel()
	var reader sync.WaitGroup
	defer reader.Wait()
	defer cancel()
	reader.Go(func() { r.tree.Read(reading, ids, inbox.add) })
	rows, failed := 0, 0
	for done := 0; done < len(ids); {
		list, err := inbox.take(ctx)
		if err != nil {
			return aborted(ctx, r.ref(id))
		}
		var page [][]nodes.Value
		for _, one := range list {
			if !r.c.May(r.who, nodes.See|nodes.Read, r.ref(one.Node)) {
				continue // not any more
			}
			if one.Err != nil {
				failed++
			}
			page = append(page, readoutOf(&one, states[one.Node], time.Now())...)
		}
		done += len(list)
		rows += len(page)
		for len(page) > 0 {
			n := min(len(page), readoutRows)
			if err := r.put(nodes.Rows{Table: valuesTable, Rows: page[:n]}); err != nil {
				return err
			}
			if err := aborted(ctx, r.ref(id)); err != nil {
				return err
			}
			page = page[n:]
		}
		if err := r.put(nodes.QueryStatus(fmt.Sprintf("%d of %d nodes", done, len(ids)))); err != nil {
			return err
		}
	}
	end := nodes.Remark{Text: fmt.Sprintf("Nodes read: %d, rows: %d.", len(ids), rows)}
	if failed > 0 {
		end = nodes.Remark{Severity: nodes.SeverityWarning, Text: fmt.Sprintf("Nodes asked: %d, not read or only in part: %d, rows: %d.", len(ids), failed, rows)}
	}
	return r.all(nodes.TableEnd(valuesTable), end)
}

// readable returns the nodes of a branch that a readout has to name, so that it
// names each value once: those that the caller may read, but for parts of these.
func (r *report) readable(id string) (ids []string, states map[string]nodes.State) {
	states = make(map[string]nodes.State)
	covered := make(map[string]bool)
	for _, m := range r.tree.Branch(id) {
		if !m.Readable || !r.c.May(r.who, nodes.See|nodes.Read, r.ref(m.ID)) {
			continue
		}
		covered[m.ID] = true
		if !m.Part || !covered[m.Parent] {
			ids = append(ids, m.ID)
			states[m.ID] = m.State
		}
	}
	return ids, states
}

// readoutOf are the rows of a node.
func readoutOf(r *nodes.Reading, state nodes.State, now time.Time) (out [][]nodes.Value) {
	node, shown := nodes.String(r.Node), nodes.String(state.String())
	for i := range r.Fields {
		f := &r.Fields[i]
		value, unit := f.Value, nodes.Value{}
		if u := value.Unit(); u != "" {
			value, unit = nodes.Quantity(value.Double(), value.Decimals(), ""), nodes.String(u)
		}
		quality := "good"
		if q := f.QoS &^ nodes.AutomaticReadout; q != 0 {
			quality = q.String()
		}
		out = append(out, []nodes.Value{node, nodes.String(f.Name), value, unit, nodes.String(quality), shownAge(f.Time, now), shown})
	}
	if r.Err != nil {
		text := r.Err.Error()
		var e *nodes.Error
		if errors.As(r.Err, &e) && e.Err != nil {
			text = e.Err.Error()
		}
		out = append(out, []nodes.Value{node, {}, nodes.String(text), {}, nodes.String("error"), {}, shown})
	}
	return out
}

// inbox takes readings from where they come and hands them to another goroutine.
type inbox struct {
	mu   sync.Mutex
	list []nodes.Reading
	wake chan struct{} // 1: something is there
}

func (b *inbox) add(r nodes.Reading) {
	b.mu.Lock()
	b.list = append(b.list, r)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take waits until something is there, and a moment longer for more.
func (b *inbox) take(ctx context.Context) ([]nodes.Reading, error) {
	select {
	case <-b.wake:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	timer := time.NewTimer(readoutGather)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.list
	b.list = nil
	return list, nil
}
