package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
)

func TestFormAndSet(t *testing.T) {
	for _, space := range []string{"", NSNFI, NSNF, NSIEEE} {
		f := &fake{}
		c, _, _ := pair(t, f, space)
		got, err := c.Form(t.Context(), nodes.Ref{ID: "all"})
		if err != nil {
			t.Fatal(err)
		}
		var list []Parameter
		var want []string
		for i, p := range got.Params {
			v := got.Values[p.ID]
			if p.Kind != f.params("all")[i].Kind || v.IsZero() || p.Page != "Output" {
				t.Errorf("parameter %+v with the value %v", p, v)
			}
			list = append(list, Parameter{p.ID, v})
			want = append(want, "all "+p.ID+"="+values[i].String())
		}
		out, err := c.Set(t.Context(), []nodes.Ref{nodes.In("all")}, list...)
		if err != nil || len(out) != len(list) {
			t.Fatal(out, err)
		}
		for i, o := range out {
			if o.State != nodes.WriteDone {
				t.Errorf("%s: %+v", list[i].Name, o)
			}
		}
		if got, want := f.all(), strings.Join(want, " "); got != want {
			t.Errorf("written\n%s\nwant\n%s", got, want)
		}
	}
}

// TestEveryKind: what is sent as an element is what is written.
func TestEveryKind(t *testing.T) {
	f := &fake{}
	c, _, _ := pair(t, f, "")
	for i, p := range f.params("all") {
		if _, err := c.Set(t.Context(), []nodes.Ref{nodes.In("all")}, Parameter{p.ID, values[i]}); err != nil {
			t.Errorf("%s: %v", p.ID, err)
		}
		if want := "all " + p.ID + "=" + values[i].String(); !strings.HasSuffix(f.all(), want) {
			t.Errorf("written %s, want … %s", f.all(), want)
		}
	}
	if _, err := c.Set(t.Context(), []nodes.Ref{nodes.In("all")}, Parameter{"double", nodes.Value{}}); nodes.KindOf(err) != nodes.Invalid {
		t.Errorf("no value: %v", err)
	}
}

func TestOutcomes(t *testing.T) {
	on, slow := Parameter{"on", nodes.Bool(true)}, Parameter{"speed", nodes.Int32(1)}
	refused := nodes.Outcome{State: nodes.WriteRefused, Err: errRefused}
	for _, tt := range []struct {
		name     string
		refs     string
		list     []Parameter
		outcomes map[string]nodes.Outcome
		want     string // states, or the kind of an error
		reason   string
	}{
		{"done", "pump fan", []Parameter{on, slow}, nil, "done done done done", ""},
		{"refused", "pump", []Parameter{slow}, map[string]nodes.Outcome{"pump speed": refused}, "refused", "illegal data value"},
		{"the first of several", "pump", []Parameter{on, slow}, map[string]nodes.Outcome{"pump on": refused}, "refused skipped", "illegal data value"},
		{"one in the middle", "pump fan", []Parameter{on, slow}, map[string]nodes.Outcome{"fan on": refused}, "done done refused skipped", "unit 3"},
		{"the same twice", "pump", []Parameter{slow, slow, on}, map[string]nodes.Outcome{"pump on": refused}, "done done refused", "unit 3"},
		{"unknown", "pump", []Parameter{on, slow}, map[string]nodes.Outcome{"pump speed": {State: nodes.WriteUnknown, Err: errRefused}}, "done unknown", "unit 3"},
		{"expired", "pump", []Parameter{on}, map[string]nodes.Outcome{"pump on": {State: nodes.WriteExpired}}, "expired", "no reason"},
		{"some permitted", "pump secret", []Parameter{on}, nil, "done refused", "may not control"},
		{"wrong", "pump", []Parameter{on, {"speed", nodes.Int32(-1)}}, nil, "invalid", "out of range"},
		{"no such parameter", "pump", []Parameter{on, {"spede", nodes.Int32(-1)}}, nil, "not found", "no such control parameter"},
		{"no such node", "nowhere", []Parameter{on}, nil, "not found", "no node nowhere"},
		{"forbidden", "secret", []Parameter{on}, nil, "forbidden", "not: control"},
	} {
		f := &fake{outcomes: tt.outcomes}
		c, _, _ := pair(t, f, "")
		var refs []nodes.Ref
		for _, id := range strings.Fields(tt.refs) {
			refs = append(refs, nodes.In(id))
		}
		out, err := c.Set(t.Context(), refs, tt.list...)
		var got []string
		var reasons []error
		for _, o := range out {
			got = append(got, o.State.String())
			if o.Err != nil && o.State != nodes.WriteSkipped {
				reasons = append(reasons, o.Err)
			}
		}
		if err != nil {
			var e *nodes.Error
			if !errors.As(err, &e) {
				t.Fatalf("%s: %T", tt.name, err)
			}
			got, reasons = []string{e.Kind.String()}, []error{err}
			if tt.name == "wrong" && e.Fields["speed"] == "" {
				t.Errorf("%s: fields %v", tt.name, e.Fields)
			}
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if tt.reason != "" && (len(reasons) != 1 || !strings.Contains(reasons[0].Error(), tt.reason)) {
			t.Errorf("%s: reasons %v, want %q", tt.name, reasons, tt.reason)
		}
	}
}

// TestSubmit: what was not edited is not sent.
func TestSubmit(t *testing.T) {
	f := &fake{}
	c, _, _ := pair(t, f, "")
	refs := []nodes.Ref{nodes.In("pump")}
	form, err := c.Form(t.Context(), refs...)
	if err != nil {
		t.Fatal(err)
	}
	form.Values["mode"] = nodes.Enum("Off", "mode")
	names, out, err := c.Submit(t.Context(), refs, form, nodes.Params{"on": nodes.Bool(true), "speed": nodes.Quantity(12.5, 1, ""), "mode": nodes.Enum("Hand", "mode")})
	if err != nil || !slices.Equal(names, []string{"speed", "mode"}) || len(out) != 2 || out[0].State != nodes.WriteDone {
		t.Errorf("%v, %v, %v", names, out, err)
	}
	if want := "pump speed=12.5 pump mode=Hand"; f.all() != want {
		t.Errorf("written %q, want %q", f.all(), want)
	}
}

// TestLost: without an answer the outcome is open, and the error says so.
func TestLost(t *testing.T) {
	f := &fake{hold: make(chan struct{})}
	c, link, _ := pair(t, f, "")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	pump := []nodes.Ref{nodes.In("pump")}
	_, err := c.Set(ctx, pump, Parameter{"speed", nodes.Int32(77)})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "outcome unknown") {
		t.Error(err)
	}
	failed := make(chan error)
	go func() {
		_, err := c.Set(t.Context(), pump, Parameter{"speed", nodes.Int32(1)})
		failed <- err
	}()
	time.Sleep(10 * time.Millisecond)
	link.Drop()
	if err := <-failed; nodes.KindOf(err) != nodes.Unreachable || !strings.Contains(err.Error(), "outcome unknown") {
		t.Error(err)
	}
	close(f.hold)
}

// TestReturned: what the server gives back may have been done.
func TestReturned(t *testing.T) {
	for _, tt := range []struct {
		typ, condition, payload string
		open                    bool
	}{
		{"cancel", "recipient-unavailable", "", true},
		{"cancel", "service-unavailable", "", true},
		{"cancel", "item-not-found", "", false},
		{"wait", "recipient-unavailable", "", false},
		{"auth", "forbidden", "", false},
		{"cancel", "service-unavailable", "<resp xmlns='" + NSNFI + "'/>", false},
	} {
		c := &Client{Link: exttest.Pair(t, odd{fail: &ext.StanzaError{Type: tt.typ, Condition: tt.condition, Payload: []byte(tt.payload)}}, nil), To: exttest.ServerJID}
		_, err := c.Set(t.Context(), []nodes.Ref{nodes.In("a")}, Parameter{"on", nodes.Bool(true)})
		if open := err != nil && strings.Contains(err.Error(), "outcome unknown"); open != tt.open {
			t.Errorf("%+v: %v", tt, err)
		}
		var stanza *ext.StanzaError
		if tt.open && (!errors.As(err, &stanza) || nodes.KindOf(err) != nodes.Unreachable) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// odd answers everything with the same.
type odd struct {
	payload string
	fail    *ext.StanzaError
}

func (o odd) Spaces() []string { return []string{NSNFI} }
func (o odd) Serve(r *ext.Request) {
	if o.fail != nil {
		r.Respond(nil, o.fail)
		return
	}
	r.Result([]byte(o.payload))
}

// TestOtherHubs: what deployed hubs answer is understood.
func TestOtherHubs(t *testing.T) {
	refs, on := []nodes.Ref{nodes.In("a"), nodes.In("b")}, Parameter{"on", nodes.Bool(true)}
	for _, tt := range []struct {
		server odd
		want   string
	}{
		{odd{payload: "<resp xmlns='" + NSNF + "'/>"}, "done done"},
		{odd{payload: "<resp xmlns='" + NSNFI + "'><p n='on'/></resp>"}, "done done"},
		{odd{payload: "<resp xmlns='" + NSNFI + "'><nd id='b'/></resp>"}, "refused done"},
		{odd{payload: "<resp xmlns='" + NSNFI + "'><p n='off'/></resp>"}, "refused refused"},
		{odd{payload: ""}, "internal error"},
		{odd{payload: "<x xmlns='jabber:x:data'/>"}, "internal error"},
		{odd{fail: &ext.StanzaError{Type: "modify", Condition: "bad-request", Payload: []byte("<paramError xmlns='" + NSNF + "' n='on'>No.</paramError>")}}, "invalid"},
		{odd{fail: &ext.StanzaError{Type: "cancel", Condition: "service-unavailable"}}, "unreachable"},
	} {
		link := exttest.Pair(t, tt.server, nil)
		c := &Client{Link: link, To: exttest.ServerJID}
		out, err := c.Set(t.Context(), refs, on)
		var got []string
		for _, o := range out {
			got = append(got, o.State.String())
		}
		if err != nil {
			got = []string{nodes.KindOf(err).String()}
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.server, got, tt.want)
		}
		if _, err := c.Form(t.Context(), refs...); err == nil && !strings.HasPrefix(tt.server.payload, "<x ") {
			t.Errorf("%+v is a form", tt.server)
		}
	}
}
