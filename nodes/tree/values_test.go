package tree

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldhub/hub/nodes"
)

func (p *plant) report(list ...nodes.Reading) {
	p.mu.Lock()
	b := p.buses["B"]
	p.mu.Unlock()
	b.host.Report(list)
}

// show writes a reading in short, e.g. "a=1.0 °C(warning)!error".
func show(r nodes.Reading) string {
	var s []string
	for _, f := range r.Fields {
		one := f.Name + "=" + f.Value.String()
		if q := f.QoS &^ nodes.AutomaticReadout; q != 0 {
			one += "(" + q.String() + ")"
		}
		s = append(s, one)
	}
	out := strings.Join(s, " ")
	if r.Err != nil {
		out += "!" + cause(r.Err)
	}
	return out
}

func TestCurrent(t *testing.T) {
	p := &plant{}
	tr := grow(t, p, &Memory{})
	check := func(id, want string, wantFresh bool) {
		t.Helper()
		r, fresh, ok := tr.Current(id)
		if got := show(r); got != want || fresh != wantFresh || !ok || r.Node != id {
			t.Errorf("%s: got %q, %v, %v; want %q, %v", id, got, fresh, ok, want, wantFresh)
		}
	}
	check("B/X/a", "!a has not been read yet", false)
	p.report(value("B/X/a", "a", 1))
	check("B/X/a", "a=1.0 °C", true)
	check("B/X", "a=1.0 °C!b has not been read yet", false)
	p.report(value("B/X/b", "b", 2))
	check("B/X", "a=1.0 °C b=2.0 °C", true)
	p.report(nodes.Reading{Node: "B/X/a", Err: errBroken})
	check("B/X/a", "a=1.0 °C(error)!cable cut", false)
	check("B/X", "a=1.0 °C(error) b=2.0 °C!cable cut", false)
	p.report(nodes.Reading{Node: "B/X/b", Err: errors.New("noise")})
	check("B/X", "a=1.0 °C(error) b=2.0 °C(error)!a: cable cut; b: noise", false)
	p.report(value("B/X/a", "a", 3), value("B/X/b", "b", 4))
	check("B/X", "a=3.0 °C b=4.0 °C", true)
	old := value("B/X/a", "a", 5)
	old.MaxAge = time.Nanosecond
	p.report(old)
	time.Sleep(time.Millisecond)
	check("B/X/a", "a=5.0 °C(warning)", false)
	if _, _, ok := tr.Current("B"); ok {
		t.Error("a bus without fields is readable")
	}
	// What is not below the device is not its business.
	p.report(value("Root", "a", 1), value("nowhere", "a", 1))
}

func TestReadAsksForWhatIsStale(t *testing.T) {
	p := &plant{answer: func(_ context.Context, id string) nodes.Reading { return value(id, id[len(id)-1:], 7) }}
	tr := grow(t, p, &Memory{})
	p.report(value("B/X/a", "a", 1))
	var got []string
	tr.Read(t.Context(), []string{"B/X", "B/X/a", "B", "gone"}, func(r nodes.Reading) { got = append(got, r.Node+": "+show(r)) })
	want := "B/X/a: a=1.0 °C|B: !this node has no values of its own|gone: !this node has no values of its own|B/X: a=1.0 °C b=7.0 °C"
	if g := strings.Join(got, "|"); g != want {
		t.Errorf("got  %s\nwant %s", g, want)
	}
	if g := fmt.Sprint(p.asked); g != "[[B/X/b]]" {
		t.Errorf("asked for %s, want only the stale one", g)
	}
}

func TestSlowPartDelaysOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plant{answer: func(ctx context.Context, id string) nodes.Reading {
			if strings.HasSuffix(id, "b") {
				<-ctx.Done()
			}
			return value(id, id[len(id)-1:], 7)
		}}
		tr := grow(t, p, &Memory{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		var got []string
		tr.Read(ctx, []string{"B/X/a", "B/X/b", "B/X"}, func(r nodes.Reading) {
			got = append(got, fmt.Sprintf("%v %s: %s", time.Since(begin), r.Node, show(r)))
		})
		if len(got) != 3 || got[0] != "0s B/X/a: a=7.0 °C" || !strings.HasPrefix(got[1], "1s ") || !strings.Contains(got[1]+got[2], "B/X: a=7.0 °C!the device did not answer in time") {
			t.Errorf("got %q", got)
		}
	})
}

func TestConcurrentReadsAskOnce(t *testing.T) {
	release := make(chan struct{})
	p := &plant{answer: func(_ context.Context, id string) nodes.Reading { <-release; return value(id, "a", 7) }}
	tr := grow(t, p, &Memory{})
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			tr.Read(t.Context(), []string{"B/X/a"}, func(r nodes.Reading) {
				if show(r) != "a=7.0 °C" {
					t.Errorf("got %s", show(r))
				}
			})
		})
	}
	until(t, "the device is asked", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return len(p.asked) == 1 })
	time.Sleep(5 * time.Millisecond)
	close(release)
	wg.Wait()
	if len(p.asked) != 1 {
		t.Errorf("asked %d times, want once", len(p.asked))
	}
}

func TestReadWhileDeviceIsDown(t *testing.T) {
	tr := grow(t, &plant{openErr: errBroken}, &Memory{})
	var got string
	until(t, "the cause", func() bool {
		tr.Read(t.Context(), []string{"B/X/a"}, func(r nodes.Reading) { got = show(r) })
		return got == "!cable cut"
	})
}

func TestWatch(t *testing.T) {
	p := &plant{}
	tr := grow(t, p, &Memory{})
	var mu sync.Mutex
	var got []string
	stop := tr.Watch([]string{"B/X", "B/X/b"}, 50*time.Millisecond, func(r nodes.Reading) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Node+": "+show(r))
	})
	p.report(value("B/X/a", "a", 1), value("B/X/b", "b", 2))
	p.report(value("B/X/a", "a", 1), value("B/X/b", "b", 3)) // a is as before
	p.report(nodes.Reading{Node: "B/X/a", Err: errBroken})
	p.report(nodes.Reading{Node: "B/X/a", Err: errBroken}) // again: nothing new
	p.report(value("B/X/a", "a", 1))
	until(t, "interest", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.interest) > 0 && len(p.interest[len(p.interest)-1]) == 3
	})
	stop()
	p.report(value("B/X/a", "a", 9))
	want := []string{"B/X: a=1.0 °C", "B/X/b: b=2.0 °C", "B/X: b=2.0 °C", "B/X/b: b=3.0 °C", "B/X: b=3.0 °C",
		"B/X: a=1.0 °C(error)!cable cut", "B/X: a=1.0 °C"}
	mu.Lock()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	mu.Unlock()
	until(t, "the end of interest", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.interest[len(p.interest)-1]) == 0
	})
}

func TestMessages(t *testing.T) {
	store := &Memory{}
	p := &plant{}
	tr := grow(t, p, store)
	var mu sync.Mutex
	var got []string
	stop := tr.Subscribe(func(e nodes.Event) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprintf("%s %s %s %d", e.Kind, e.Info.Ref.ID, e.Info.State, len(e.Info.Messages)))
	})
	defer stop()
	h := p.buses["B"].host
	h.Fault("B/X", nodes.Message{Severity: nodes.SeverityWarning, EventID: "Slow", Text: "slow"})
	h.Fault("B/X", nodes.Message{Severity: nodes.SeverityError, EventID: "Timeout", Text: "silent"})
	h.Fault("B/X", nodes.Message{Severity: nodes.SeverityError, EventID: "Timeout", Text: "silent"})
	h.Clear("B/X", "Timeout", "Unknown")
	h.Clear("B/X", "Slow")
	h.Fault("Root", nodes.Message{EventID: "x", Text: "not its node"})
	mu.Lock()
	defer mu.Unlock()
	want := []string{"status changed B/X warning 1", "status changed B/X error 2", "status changed B/X warning 1", "status changed B/X ok 0"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// BenchmarkReport: 1,000 readings of ten fields, of which none changed, all did, or
// all did and somebody watches.
func BenchmarkReport(b *testing.B) {
	for _, bb := range []struct {
		name          string
		change, watch bool
	}{{"same", false, false}, {"changed", true, false}, {"changed and watched", true, true}} {
		b.Run(bb.name, func(b *testing.B) {
			p, tr, stop := busy(b, 1000)
			defer stop()
			told := 0
			if bb.watch {
				defer tr.Watch([]string{"B/X"}, 0, func(r nodes.Reading) { told += len(r.Fields) })()
			}
			lists := make([][]nodes.Reading, 2)
			for k := range lists {
				for i := range 1000 {
					lists[k] = append(lists[k], wide(fmt.Sprint("B/X/", i), k))
				}
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				k := 0
				if bb.change {
					k = n % 2
				}
				p.report(lists[k]...)
			}
			b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "values/s")
			if bb.watch && told < b.N {
				b.Errorf("told of %d fields in %d rounds", told, b.N)
			}
		})
	}
}

// BenchmarkCurrent: the last values of one register, and of a device of 100.
func BenchmarkCurrent(b *testing.B) {
	p, tr, stop := busy(b, 100)
	defer stop()
	for i := range 100 {
		p.report(value(fmt.Sprint("B/X/", i), "v", 1))
	}
	for name, id := range map[string]string{"register": "B/X/7", "device": "B/X"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, fresh, ok := tr.Current(id); !fresh || !ok {
					b.Fatal("not fresh")
				}
			}
		})
	}
}

// busy runs a tree of one box with that many channels.
func busy(b *testing.B, channels int) (*plant, *Tree, func()) {
	b.Helper()
	p := &plant{}
	tr, err := New(Config{Types: testTypes, Store: &Memory{}, Opener: p})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- tr.Run(ctx) }()
	box := &nodes.Node{Spec: nodes.Spec{Name: "X", Type: "box"}}
	for i := range channels {
		box.Children = append(box.Children, &nodes.Node{Spec: nodes.Spec{Name: fmt.Sprint(i), Type: "channel"}})
	}
	if err := tr.Import(ctx, []*nodes.Node{{Spec: nodes.Spec{Name: "B", Type: "bus"}, Children: []*nodes.Node{box}}}); err != nil {
		b.Fatal(err)
	}
	for running := 0; running == 0; time.Sleep(time.Millisecond) {
		p.set(func() { running = p.running })
	}
	return p, tr, func() { cancel(); <-done }
}

// wide makes a reading of ten fields.
func wide(id string, k int) nodes.Reading {
	r := nodes.Reading{Node: id, MaxAge: time.Minute}
	for i := range 10 {
		r.Fields = append(r.Fields, nodes.Field{Name: fmt.Sprint("field ", i), Value: nodes.Quantity(float64(i+k), 1, "°C"), Time: time.Now(), Category: nodes.Momentary})
	}
	return r
}
