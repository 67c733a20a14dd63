package concentrator

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/wire"
)

func TestClientOfSeveralNodes(t *testing.T) {
	want := received(scan)
	for _, space := range []string{NSNFI, NSNF, NSIEEE} {
		f := newFake()
		c, _, _ := pair(t, f, space)
		ctx, both := t.Context(), []nodes.Ref{nodes.In("GW2"), nodes.In("GW")}

		list, err := c.CommonCommands(ctx, both)
		var names []string
		for _, cmd := range list {
			names = append(names, cmd.ID)
		}
		if want := []string{"Reconnect", "SetClock", "ScanUnits", "Forget"}; err != nil || !slices.Equal(names, want) {
			t.Errorf("commands %q, %v, want %q", names, err, want)
		}
		form, err := c.CommonCommandForm(ctx, both, "ScanUnits")
		if err != nil || len(form.Params) != 3 || !form.NotSame["Last"] || form.NotSame["First"] || !form.Values["Last"].IsZero() {
			t.Errorf("form %+v, %v", form, err)
		}

		f.execute = func(ctx context.Context, command string, p nodes.Params) error { return nil }
		errs, err := c.ExecuteAll(ctx, both, "Reconnect", nil)
		if err != nil || !reflect.DeepEqual(errs, []error{nil, nil}) {
			t.Errorf("executed: %v, %v", errs, err)
		}
		var wrong *nodes.Error
		_, err = c.ExecuteAll(ctx, both, "SetClock", nodes.Params{"Repeat": nodes.Int32(3)})
		if !errors.As(err, &wrong) || wrong.Fields["Time"] == "" {
			t.Errorf("without the time: %v", err)
		}
		if _, err = c.ExecuteAll(ctx, []nodes.Ref{both[0], nodes.In("no")}, "Reconnect", nil); nodes.KindOf(err) != nodes.NotFound {
			t.Errorf("one missing: %v", err)
		}

		found := make([][]nodes.Finding, 2)
		errs, err = c.QueryAll(ctx, both, "ScanUnits", nodes.Params{"Last": nodes.Int32(3)}, func(i int, x nodes.Finding) error {
			found[i] = joined(found[i], x)
			return nil
		})
		if err != nil || !reflect.DeepEqual(errs, []error{nil, nil}) {
			t.Errorf("asked: %v, %v", errs, err)
		}
		for i := range found {
			if !reflect.DeepEqual(found[i], want) {
				t.Errorf("node %d: got %+v", i, found[i])
			}
		}
		// Node 0 has fewer units; node 1 is asked.
		clear(found)
		errs, err = c.QueryAll(ctx, both, "ScanUnits", nodes.Params{"Last": nodes.Int32(200)}, func(i int, x nodes.Finding) error {
			found[i] = joined(found[i], x)
			return nil
		})
		if err != nil || errs[0] == nil || !strings.Contains(errs[0].Error(), "from 1 to 32") || errs[1] != nil || len(found[0]) > 0 || len(found[1]) != len(want) {
			t.Errorf("asked where it fits: %v, %v, %d and %d findings", errs, err, len(found[0]), len(found[1]))
		}
		// What fails while it runs is told by its node; the others go on.
		var mu sync.Mutex
		runs := 0
		f.query = func(ctx context.Context, put nodes.Put) error {
			if err := put(nodes.QueryTitle("begun")); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if runs++; runs == 1 {
				return nodes.Errorf(nodes.Unreachable, "", nodes.Ref{}, "the line is <broken>")
			}
			return nil
		}
		errs, err = c.QueryAll(ctx, both, "ScanUnits", nodes.Params{"Last": nodes.Int32(3)}, func(int, nodes.Finding) error { return nil })
		if err != nil || (errs[0] == nil) == (errs[1] == nil) || !strings.Contains(fmt.Sprint(errs), "the line is <broken>") {
			t.Errorf("one fails: %v, %v", errs, err)
		}
		// What the receiver does not want ends all.
		stop := errors.New("enough")
		if _, err = c.QueryAll(ctx, both, "ScanUnits", nodes.Params{}, func(int, nodes.Finding) error { return stop }); err != stop {
			t.Errorf("the receiver's error: %v", err)
		}
		if len(c.following) > 0 {
			t.Errorf("%d queries are still followed", len(c.following))
		}
	}
}

// results are those of an answer: "" where it was done.
func results(t *testing.T, answer string) []string {
	t.Helper()
	e, err := wire.Parse(answer)
	if err != nil || e.Name.Local != "partialExecution" {
		t.Fatalf("%v: %.500s", err, answer)
	}
	var out []string
	for _, r := range e.Children {
		reason, failed := r.Lookup("error")
		if failed == (r.Text == "true") || failed && reason == "" {
			t.Errorf("result %q with the error %q", r.Text, reason)
		}
		out = append(out, reason)
	}
	return out
}

// gateways makes a backend with n gateways, and names them.
func gateways(n int) (*fake, string) {
	f := newFake()
	var nd strings.Builder
	for i := range n {
		gw := f.list[3]
		gw.Ref = nodes.In(fmt.Sprintf("GW%05d", i))
		f.list = append(f.list, gw)
		nd.WriteString("<nd id='" + gw.Ref.ID + "'/>")
	}
	return f, nd.String()
}

// Each node gets its result, in order, however long the reasons and whatever became of
// the others; get is as good as set.
func TestExecuteMany(t *testing.T) {
	const n = 400
	f, nd := gateways(n)
	_, link, s := pair(t, f, NSNF)
	var mu sync.Mutex
	runs, most, now := 0, 0, 0
	f.execute = func(context.Context, string, nodes.Params) error {
		mu.Lock()
		defer mu.Unlock()
		now++
		most = max(most, now)
		defer func() { now-- }()
		if runs++; runs%2 == 0 {
			return nodes.Errorf(nodes.Unreachable, "", nodes.Ref{}, strings.Repeat("<'long'>", 200))
		}
		return nil
	}
	for _, typ := range []string{"set", "get"} {
		runs = 0
		got := results(t, ask(t, s, link.Net().Server, ops, typ, op("executeCommonNodeCommand", "command='Reconnect'", nd)))
		failed := 0
		for _, reason := range got {
			if reason != "" {
				failed++
			}
			if reason != "" && !strings.HasPrefix(reason, "<'long'") {
				t.Fatalf("a reason: %q", reason)
			}
		}
		if len(got) != n || runs != n || failed != n/2 {
			t.Errorf("%s: %d results of %d runs, %d failed", typ, len(got), runs, failed)
		}
	}
	if most > commonAtOnce {
		t.Errorf("%d at once", most)
	}
}

// What the nodes say is in the order of the request.
func TestExecuteInOrder(t *testing.T) {
	f, nd := gateways(50)
	_, link, s := pair(t, f, NSNF)
	f.list = slices.DeleteFunc(f.list, func(n nodes.Info) bool { return n.Ref.ID == "GW2" })
	// Those whose number ends in 7 go missing when it comes to them.
	f.executeAt = func(r nodes.Ref) error {
		if strings.HasSuffix(r.ID, "7") {
			return nodes.Errorf(nodes.Unreachable, "", r, r.ID+" is off")
		}
		return nil
	}
	for i, reason := range results(t, ask(t, s, link.Net().Server, ops, "set", op("executeCommonNodeCommand", "command='Reconnect'", nd))) {
		want := ""
		if i%10 == 7 {
			want = fmt.Sprintf("GW%05d is off", i)
		}
		if reason != want {
			t.Errorf("node %d: %q, want %q", i, reason, want)
		}
	}
	// When the form is wrong for all, that is said as a form.
	f.executeAt = func(r nodes.Ref) error {
		return &nodes.Error{Kind: nodes.Invalid, Ref: r, Fields: map[string]string{"Time": "is before the installation"}}
	}
	answer := ask(t, s, link.Net().Server, ops, "set", op("executeCommonNodeCommand", "command='SetClock'", nd+clockForm))
	if !strings.Contains(answer, "<error type='modify'>") || !strings.Contains(answer, "<xdd:error>is before the installation</xdd:error>") {
		t.Errorf("wrong for all: %.500s", answer)
	}
}

// What is not done when the time is over is told so, and nothing is begun after that.
func TestOutcomes(t *testing.T) {
	o := newOutcomes(5)
	hold, begun := make(chan struct{}), make(chan int, 5)
	ended := make(chan struct{})
	go func() {
		o.run(2, func(i int) error {
			begun <- i
			if i == 0 {
				return errAborted
			}
			<-hold
			return nil
		})
		close(ended)
	}()
	for range 3 {
		<-begun
	}
	errs := o.close()
	if want := []error{errAborted, errOutcome, errOutcome, errNoTime, errNoTime}; !reflect.DeepEqual(errs, want) {
		t.Errorf("got %v, want %v", errs, want)
	}
	close(hold)
	<-ended
	if len(begun) > 0 || o.close() != nil || errs[1] != errOutcome {
		t.Errorf("after the end: %d begun, %v", len(begun), errs)
	}
}

// The answer is bounded whatever the reasons, and comes with nodes up to the limit.
func TestPartialIsBounded(t *testing.T) {
	errs := make([]error, MaxNodes)
	for i := range errs {
		errs[i] = nodes.Errorf(nodes.Unreachable, "", nodes.Ref{}, strings.Repeat("'", 2000))
	}
	b := appendPartial([]byte("<partialExecution xmlns='"+NSIEEE+"'"), errs)
	if got := results(t, string(b)); len(b) > MaxAnswer || len(got) != MaxNodes || len(got[0]) < 5 {
		t.Errorf("%d bytes, %d results, the first %q", len(b), len(got), got[0])
	}
	_, nd := gateways(MaxNodes + 1)
	_, link, s := pair(t, newFake(), NSNF)
	answer := ask(t, s, link.Net().Server, ops, "set", op("executeCommonNodeCommand", "command='Reconnect'", nd))
	if !strings.Contains(answer, "<not-acceptable") || !strings.Contains(answer, "at most 5000") {
		t.Errorf("too many: %s", answer)
	}
}

// A query on many nodes runs on a few at a time, is aborted by node or in all, and each
// node's messages end.
func TestQueryMany(t *testing.T) {
	const n = 60
	f, _ := gateways(n)
	c, _, s := pair(t, f, NSNF)
	var list []nodes.Ref
	for i := range n {
		list = append(list, nodes.In(fmt.Sprintf("GW%05d", i)))
	}
	var mu sync.Mutex
	most, now := 0, 0
	f.query = func(ctx context.Context, put nodes.Put) error {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		defer func() { mu.Lock(); now--; mu.Unlock() }()
		return put(nodes.QueryTitle("here"))
	}
	got := make([]int, n)
	errs, err := c.QueryAll(t.Context(), list, "ScanUnits", nodes.Params{"Last": nodes.Int32(2)}, func(i int, _ nodes.Finding) error { got[i]++; return nil })
	if err != nil || slices.ContainsFunc(errs, func(err error) bool { return err != nil }) || slices.ContainsFunc(got, func(k int) bool { return k != 1 }) {
		t.Errorf("%v, %v, %v", errs, err, got)
	}
	if most > queriesAtOnce {
		t.Errorf("%d at once", most)
	}

	f.query = func(ctx context.Context, put nodes.Put) error {
		if err := put(nodes.QueryTitle("begun")); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = c.QueryAll(ctx, list, "ScanUnits", nodes.Params{}, func(int, nodes.Finding) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	waitFor(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.queries) == 0 })
}

// The hub's end of aborting: by one node, by several, by the wrong ones.
func TestAbortCommon(t *testing.T) {
	f, nd := gateways(6)
	_, link, s := pair(t, f, NSNF)
	hub := link.Net().Server
	begun := make(chan struct{}, 10)
	f.query = func(ctx context.Context, put nodes.Put) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	attrs := "command='ScanUnits' queryId='q'"
	run := op("executeCommonNodeQuery", attrs, nd)
	if got := results(t, ask(t, s, hub, ops, "set", run)); len(got) != 6 {
		t.Errorf("begun: %q", got)
	}
	for range queriesAtOnce {
		<-begun
	}
	for _, typ := range []string{"get", "set"} {
		if got := ask(t, s, hub, ops, typ, run); !strings.Contains(got, "<conflict") {
			t.Errorf("the same id again: %s", got)
		}
	}
	if got := ask(t, s, hub, ops, "set", op("executeNodeQuery", attrs+" id='GW'", "")); !strings.Contains(got, "<conflict") {
		t.Errorf("the same id for one: %s", got)
	}
	for _, request := range []string{
		op("abortCommonNodeQuery", attrs, "<nd id='GW'/>"),
		op("abortCommonNodeQuery", "command='Dump' queryId='q'", nd),
		op("abortCommonNodeQuery", "command='ScanUnits' queryId='p'", nd),
		op("abortNodeQuery", attrs+" id='GW'", ""),
	} {
		if got := ask(t, s, hub, ops, "set", request); !strings.Contains(got, "<item-not-found") {
			t.Errorf("%s: %s", request, got)
		}
	}
	// The other two are begun when two are aborted.
	if got := ask(t, s, hub, ops, "set", op("abortNodeQuery", attrs+" id='GW00000'", "")); got != "" {
		t.Errorf("abort one: %s", got)
	}
	if got := ask(t, s, hub, ops, "get", op("abortCommonNodeQuery", attrs, "<nd id='GW00001'/>")); got != "" {
		t.Errorf("abort another: %s", got)
	}
	<-begun
	<-begun
	if got := ask(t, s, hub, ops, "set", op("abortCommonNodeQuery", attrs, nd)); got != "" {
		t.Errorf("abort all: %s", got)
	}
	waitFor(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.queries) == 0 })

	// Who goes leaves nothing running.
	if got := results(t, ask(t, s, hub, ops, "set", run)); len(got) != 6 {
		t.Errorf("begun again: %q", got)
	}
	s.Gone(hub, "")
	waitFor(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.queries) == 0 })
}

// What a hub answers for several nodes is read with care.
func TestReadPartial(t *testing.T) {
	two := []nodes.Ref{nodes.In("a"), nodes.In("b")}
	for _, c := range []struct{ doc, want string }{
		{"<p><result>true</result><result> 1 </result></p>", "[<nil> <nil>]"},
		{"<p><result error='off'>false</result><other/><result>TRUE</result></p>", "[x at a: off <nil>]"},
		{"<p><result>0</result><result error=''>no</result></p>", "[x at a: the hub does not say why x at b: the hub does not say why]"},
		{"<p><result>true</result></p>", "the hub answered for 1 of 2 nodes"},
		{"<p><result>1</result><result>1</result><result>1</result></p>", "the hub answered for more than 2 nodes"},
		{"<p><result>1</result><result>perhaps</result></p>", `the hub answered "perhaps" for b`},
	} {
		e, err := wire.Parse(c.doc)
		if err != nil {
			t.Fatal(err)
		}
		errs, err := readPartial(e, "x", two)
		got := fmt.Sprint(errs)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.doc, got, c.want)
		}
	}
}
