package ext

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFromError(t *testing.T) {
	secret := errors.New("/var/lib/hub: permission denied")
	for _, tt := range []struct {
		err                  error
		typ, condition, text string
	}{
		{nodes.Errorf(nodes.NotFound, "get", nodes.In("a"), "no node a"), "cancel", "item-not-found", "no node a"},
		{fmt.Errorf("wrapped: %w", nodes.Errorf(nodes.Forbidden, "get", nodes.In("a"), "no")), "auth", "forbidden", "no"},
		{nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "busy"), "wait", "resource-constraint", "busy"},
		{&nodes.Error{Kind: nodes.Timeout}, "wait", "remote-server-timeout", "timed out"},
		{&nodes.Error{Kind: nodes.Internal, Err: secret}, "cancel", "internal-server-error", "The hub could not do this; its log says why."},
		{secret, "cancel", "internal-server-error", "The hub could not do this; its log says why."},
		{context.DeadlineExceeded, "wait", "remote-server-timeout", ""},
		{&StanzaError{Type: "modify", Condition: "not-acceptable", Text: "x"}, "modify", "not-acceptable", "x"},
	} {
		s := FromError(tt.err)
		if s.Type != tt.typ || s.Condition != tt.condition || s.Text != tt.text {
			t.Errorf("%v: got %+v", tt.err, s)
		}
		if kind := nodes.KindOf(tt.err); s.Condition != "not-acceptable" && kind != nodes.Internal && s.Kind() != kind {
			t.Errorf("%v: back as %v, want %v", tt.err, s.Kind(), kind)
		}
	}
}

// TestEveryKindHasACondition: and none is of type modify, which deployed clients
// take for a wrong form.
func TestEveryKindHasACondition(t *testing.T) {
	for k := nodes.Internal; k <= nodes.Gone; k++ {
		if s, ok := conditions[k]; !ok || s.Type == "modify" {
			t.Errorf("%s: %+v", k, s)
		}
	}
}

func TestErrorRoundTrip(t *testing.T) {
	want := &StanzaError{Type: "cancel", Condition: "bad-request", Text: `a < b & "c"`, Payload: []byte("<x xmlns='jabber:x:data'/>")}
	e, err := wire.Parse("<iq type='error'>" + string(want.Append(nil)) + "</iq>")
	if err != nil {
		t.Fatal(err)
	}
	got := ParseError(e)
	if got.Type != want.Type || got.Condition != want.Condition || got.Text != want.Text || got.Element.Child("x") == nil {
		t.Errorf("got %+v", got)
	}
	if got := ParseError(&wire.Element{}); got.Condition != "undefined-condition" {
		t.Errorf("an error without error: %+v", got)
	}
}

func TestWorkers(t *testing.T) {
	var w Workers
	if w.Go(func(context.Context) {}) {
		t.Error("a goroutine before Run")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.Run(ctx, 2); close(done) }()
	var running, ended atomic.Int32
	work := func(ctx context.Context) {
		running.Add(1)
		<-ctx.Done()
		ended.Add(1)
	}
	for !w.Go(work) {
		time.Sleep(time.Millisecond)
	}
	if !w.Go(work) {
		t.Error("no second goroutine")
	}
	if w.Go(work) {
		t.Error("a third goroutine, beyond the limit")
	}
	cancel()
	<-done
	if running.Load() != 2 || ended.Load() != 2 {
		t.Errorf("%d ran and %d ended before Run returned, want 2", running.Load(), ended.Load())
	}
	if w.Go(work) {
		t.Error("a goroutine after Run")
	}
}
