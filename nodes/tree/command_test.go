package tree

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldhub/hub/nodes"
)

func TestCommands(t *testing.T) {
	tr := works(t, &oddities{}, "M")
	for id, want := range map[string]string{"M": "Reset Move Scan ClearMessages LogMessage Enable Disable",
		"M/P": "Scan ClearMessages LogMessage Enable Disable", "M/P/a": "ClearMessages LogMessage Enable Disable", nodes.RootID: "ClearMessages LogMessage"} {
		list, err := tr.Commands(id)
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
		var got []string
		for _, c := range list {
			got = append(got, c.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s has %q, want %q", id, got, want)
		}
	}
	f, err := tr.CommandForm("M", "Move")
	if err != nil || f.Title != "Move" || f.Instructions != "Moves it." || len(f.Params) != 3 || fmt.Sprint(f.Values) != "map[Speed:1.5]" {
		t.Errorf("the form is %+v, %v; only defaults that are no secrets", f, err)
	}
	if f, err := tr.CommandForm("M", "Reset"); err != nil || len(f.Params) != 0 {
		t.Errorf("a simple command: %+v, %v", f, err)
	}
	for _, tt := range []struct{ id, command, want string }{
		{"nowhere", "Scan", "no such node"}, {"M", "scan", "there are Reset, Move, Scan"}, {"M/P/a", "Scan", "there are ClearMessages, LogMessage, Enable, Disable"},
	} {
		_, err := tr.CommandForm(tt.id, tt.command)
		if nodes.KindOf(err) != nodes.NotFound || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s of %s: %v, want %q", tt.command, tt.id, err, tt.want)
		}
	}
}

// TestRunCommands: what reaches the device, and what does not.
func TestRunCommands(t *testing.T) {
	var got string
	var fail error
	o := &oddities{make: func(_ string, _ int, o *odd) error {
		o.execute = func(_ context.Context, node, command string, p nodes.Params) error {
			got = fmt.Sprint(node, " ", command, " ", p)
			return fail
		}
		o.query = func(_ context.Context, node, command string, p nodes.Params, put nodes.Put) error {
			got = fmt.Sprint(node, " ", command, " ", p)
			return fail
		}
		return nil
	}}
	tr := works(t, o, "M")
	none := func(nodes.Finding) error { return nil }
	over, cancel := context.WithCancel(t.Context())
	cancel()
	way := func(i int32) nodes.Params { return nodes.Params{"Way": nodes.Int32(i)} }
	for _, tt := range []struct {
		name    string
		ctx     context.Context
		command string
		query   bool
		params  nodes.Params
		fail    error
		want    string // what the device got; empty: nothing
		kind    nodes.ErrorKind
		text    string // part of the error; empty: none
		fields  string
	}{
		{name: "simple", command: "Reset", want: "M Reset map[]"},
		{name: "with defaults", command: "Move", params: way(2), want: "M Move map[Key:s Speed:1.5 Way:2]"},
		{name: "converted", command: "Move", params: nodes.Params{"Way": nodes.Double(2), "Speed": nodes.Int32(3)}, want: "M Move map[Key:s Speed:3 Way:2]"},
		{name: "query", command: "Scan", query: true, want: "M Scan map[To:3]"},
		{name: "missing", command: "Move", kind: nodes.Invalid, text: "is required", fields: "Way"},
		{name: "out of range", command: "Move", params: way(0), kind: nodes.Invalid, text: "from 1 to 9", fields: "Way"},
		{name: "unknown", command: "Reset", params: way(1), kind: nodes.Invalid, text: "no such parameter", fields: "Way"},
		{name: "unknown, of a query", command: "Scan", query: true, params: way(1), kind: nodes.Invalid, text: "no such parameter", fields: "Way"},
		{name: "a query executed", command: "Scan", kind: nodes.Invalid, text: "run it as a query"},
		{name: "a command queried", command: "Reset", query: true, kind: nodes.Invalid, text: "run it as a command"},
		{name: "no command", command: "Explode", kind: nodes.NotFound, text: "there are Reset"},
		{name: "no query", command: "Explode", query: true, kind: nodes.NotFound, text: "there are Reset"},
		{name: "over", ctx: over, command: "Reset", kind: nodes.Gone, text: "nothing was done"},
		{name: "query over", ctx: over, command: "Scan", query: true, kind: nodes.Gone, text: "nothing was done"},
		{name: "plain error", command: "Reset", fail: errBroken, want: "M Reset map[]", kind: nodes.NotAcceptable, text: "execute M: cable cut"},
		{name: "precise error", command: "Scan", query: true, fail: nodes.Errorf(nodes.Conflict, "x", nodes.In("M/P"), "there already"),
			want: "M Scan map[To:3]", kind: nodes.Conflict, text: "x M/P: there already"},
	} {
		got, fail = "", tt.fail
		ctx := tt.ctx
		if ctx == nil {
			ctx = t.Context()
		}
		var err error
		if tt.query {
			err = tr.Query(ctx, "M", tt.command, tt.params, none)
		} else {
			err = tr.Execute(ctx, "M", tt.command, tt.params)
		}
		if got != tt.want {
			t.Errorf("%s: the device got %q, want %q", tt.name, got, tt.want)
		}
		var e *nodes.Error
		switch {
		case tt.text == "":
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		case !errors.As(err, &e) || e.Kind != tt.kind || !strings.Contains(err.Error(), tt.text) || (e.Fields[tt.fields] == "") != (tt.fields == ""):
			t.Errorf("%s: %v (%+v), want %v, %q", tt.name, err, e, tt.kind, tt.text)
		}
	}
}

// TestQueryFindings: each comes once, in order, and before Query returns.
func TestQueryFindings(t *testing.T) {
	tr := works(t, &oddities{make: func(_ string, _ int, o *odd) error {
		o.query = func(_ context.Context, _, _ string, p nodes.Params, put nodes.Put) error {
			for i := range p.Int("To") {
				if err := put(nodes.QueryStatus(fmt.Sprint(i))); err != nil {
					return fmt.Errorf("stopped at %d: %w", i, err)
				}
				if err := put(nil); err != nil {
					return err
				}
			}
			return nil
		}
		return nil
	}}, "M")
	var got []string
	err := tr.Query(t.Context(), "M", "Scan", nodes.Params{"To": nodes.Int32(5)}, func(f nodes.Finding) error {
		got = append(got, fmt.Sprint(f))
		return nil
	})
	if want := "[0 1 2 3 4]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v; want %s", got, err, want)
	}
	full := errors.New("enough")
	count := 0
	err = tr.Query(t.Context(), "M", "Scan", nodes.Params{"To": nodes.Int32(50)}, func(nodes.Finding) error {
		if count++; count == 3 {
			return full
		}
		return nil
	})
	if err != full || count != 3 {
		t.Errorf("%d findings, error %v; want 3 and that of put", count, err)
	}
}

// TestAbort: commands and queries end within a second of their context, whatever
// the device does, and what it puts afterwards is dropped.
func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var heeds atomic.Bool
		var refused atomic.Int32
		o := &oddities{make: func(_ string, _ int, o *odd) error {
			o.execute = func(ctx context.Context, _, _ string, _ nodes.Params) error {
				if heeds.Load() {
					<-ctx.Done()
					return ctx.Err()
				}
				<-release
				return nil
			}
			o.query = func(ctx context.Context, _, _ string, _ nodes.Params, put nodes.Put) error {
				put(nodes.QueryTitle("first"))
				if heeds.Load() {
					<-ctx.Done()
					put(nodes.QueryTitle("after the end"))
					return nil
				}
				<-release
				if put(nodes.QueryTitle("long after the end")) != nil {
					refused.Add(1)
				}
				return nil
			}
			return nil
		}}
		tr := works(t, o, "M")
		for _, does := range []bool{true, false} {
			heeds.Store(does)
			for _, deadline := range []bool{true, false} {
				for _, query := range []bool{true, false} {
					ctx, cancel := context.WithCancel(t.Context())
					want := nodes.Gone
					if deadline {
						ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
						want = nodes.Timeout
					} else {
						time.AfterFunc(time.Minute, cancel)
					}
					begin := time.Now()
					var err error
					count := 0
					if query {
						err = tr.Query(ctx, "M", "Scan", nil, func(f nodes.Finding) error {
							if count++; f != nodes.QueryTitle("first") {
								t.Errorf("got %v", f)
							}
							return nil
						})
					} else {
						err = tr.Execute(ctx, "M", "Reset", nil)
					}
					took := time.Since(begin) - time.Minute
					if nodes.KindOf(err) != want || !errors.Is(err, ctx.Err()) || took < 0 || took > time.Second || query && count != 1 {
						t.Errorf("heeds %v, deadline %v, query %v: %v, %v after the end, %d findings", does, deadline, query, err, took, count)
					}
					if !does && !query && !strings.Contains(err.Error(), "nobody knows") {
						t.Errorf("got %v", err)
					}
					cancel()
				}
			}
		}
		close(release)
		synctest.Wait()
		if n := refused.Load(); n != 2 {
			t.Errorf("%d queries learned long after the end that nobody waits, want 2", n)
		}
	})
}

// TestSlowReceiver: a device waits for whoever takes its findings, and is freed
// when he is gone.
func TestSlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var put, refused int
		tr := works(t, &oddities{make: func(_ string, _ int, o *odd) error {
			o.query = func(ctx context.Context, _, _ string, _ nodes.Params, give nodes.Put) error {
				for {
					if err := give(nodes.QueryTitle("x")); err != nil {
						refused++
						return err
					}
					put++
				}
			}
			return nil
		}}, "M")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := tr.Query(ctx, "M", "Scan", nil, func(nodes.Finding) error { time.Sleep(3 * time.Second); return nil })
		synctest.Wait()
		if nodes.KindOf(err) != nodes.Timeout || put > 4 || refused != 1 {
			t.Errorf("%v, %d put, %d refused", err, put, refused)
		}
	})
}

// TestManyCommands: more than some at once are refused, also of those that hang.
func TestManyCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		tr := works(t, &oddities{make: func(_ string, _ int, o *odd) error {
			o.query = func(context.Context, string, string, nodes.Params, nodes.Put) error { <-release; return nil }
			o.execute = func(context.Context, string, string, nodes.Params) error { <-release; return nil }
			return nil
		}}, "M", "N")
		var wg sync.WaitGroup
		for i := range maxCommands {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if i%2 == 0 {
					tr.Query(ctx, "M", "Scan", nil, func(nodes.Finding) error { return nil })
				} else {
					tr.Execute(ctx, "M", "Reset", nil)
				}
			})
		}
		synctest.Wait()
		full := func(when string) {
			t.Helper()
			if err := tr.Execute(t.Context(), "M", "Reset", nil); nodes.KindOf(err) != nodes.Exhausted {
				t.Errorf("a command %s: %v", when, err)
			}
			if err := tr.Query(t.Context(), "M", "Scan", nil, nil); nodes.KindOf(err) != nodes.Exhausted {
				t.Errorf("a query %s: %v", when, err)
			}
		}
		full("while they run")
		wg.Wait()
		full("while nobody waits for them any more")
		close(release)
		synctest.Wait()
		if err := tr.Execute(t.Context(), "M", "Reset", nil); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		if out, err := tr.Set(t.Context(), []nodes.Setting{set("M/P", "a", 1)}); err != nil || states(out) != "done" {
			t.Errorf("writing: %v, %v", out, err)
		}
	})
}

// TestPanickingCommand: it is an error of the command, and the device is opened
// again.
func TestPanickingCommand(t *testing.T) {
	for _, query := range []bool{true, false} {
		o := &oddities{make: func(_ string, nth int, o *odd) error {
			if nth == 1 {
				o.execute = func(context.Context, string, string, nodes.Params) error { panic("index out of range") }
				o.query = func(context.Context, string, string, nodes.Params, nodes.Put) error { panic("index out of range") }
			}
			return nil
		}}
		tr := works(t, o, "M")
		do := func() error {
			if query {
				return tr.Query(t.Context(), "M", "Scan", nil, func(nodes.Finding) error { return nil })
			}
			return tr.Execute(t.Context(), "M", "Reset", nil)
		}
		if err := do(); nodes.KindOf(err) != nodes.Internal || !strings.Contains(err.Error(), "fault of its adapter: index out of range") {
			t.Errorf("query %v: %v", query, err)
		}
		until(t, "it is opened again", func() bool { _, err := sessionOf(tr, "M"); return o.count("M") == 2 && err == nil })
		if err := do(); err != nil {
			t.Errorf("query %v, afterwards: %v", query, err)
		}
	}
}

// TestCommandWhileItEnds: whoever waits learns that the device is gone.
func TestCommandWhileItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var heeds atomic.Bool
		wait := func(ctx context.Context) error {
			if heeds.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			<-release
			return nil
		}
		tr := works(t, &oddities{make: func(_ string, _ int, o *odd) error {
			o.execute = func(ctx context.Context, _, _ string, _ nodes.Params) error { return wait(ctx) }
			o.query = func(ctx context.Context, _, _ string, _ nodes.Params, _ nodes.Put) error { return wait(ctx) }
			return nil
		}}, "A", "B", "C", "D")
		for i, id := range []string{"A", "B", "C", "D"} {
			heeds.Store(i%2 == 0)
			time.AfterFunc(time.Second, func() { go tr.Destroy(t.Context(), id) })
			begin := time.Now()
			var err error
			if i < 2 {
				err = tr.Execute(t.Context(), id, "Reset", nil)
			} else {
				err = tr.Query(t.Context(), id, "Scan", nil, nil)
			}
			if took := time.Since(begin); nodes.KindOf(err) != nodes.Gone || !strings.Contains(err.Error(), "stopped meanwhile") || took > 2*time.Second {
				t.Errorf("%s: %v after %v", id, err, took)
			}
		}
		close(release)
	})
}
