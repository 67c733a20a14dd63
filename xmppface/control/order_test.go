package control

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

// serve hands a set to a server and returns the channel of its answer: the
// condition and text of an error, or "done".
func serve(t testing.TB, s *Server, link ext.Link, jid, children string) <-chan string {
	t.Helper()
	e, err := wire.Parse(element("set", NSNFI, children))
	if err != nil {
		t.Fatal(err)
	}
	answer := make(chan string, 2)
	s.Serve(&ext.Request{Link: link, Type: "set", Payload: e,
		Caller: nodes.Caller{JID: "ops@example.org", Full: jid, Way: nodes.WayLocal},
		Respond: func(_ []byte, err *ext.StanzaError) {
			if err != nil {
				answer <- err.Type + " " + err.Condition + ": " + err.Text
				return
			}
			answer <- "done"
		}})
	return answer
}

func speed(node string, n int) string {
	return "<nd id='" + node + "'/><i n='speed' v='" + strconv.Itoa(n) + "'/>"
}

const desk = "ops@example.org/desk"

// running runs a server in a bubble of its own time.
func running(t *testing.T, f *fake, test func(s *Server, stop func())) {
	synctest.Test(t, func(t *testing.T) {
		s := New(f, quiet)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		test(s, cancel)
		cancel()
		wg.Wait()
		if len(s.sets)+len(s.last) != 0 {
			t.Errorf("%d sets and %d places are left", len(s.sets), len(s.last))
		}
	})
}

// TestOrder: sets of a sender at a node are done in order, others side by side.
func TestOrder(t *testing.T) {
	f := &fake{}
	running(t, f, func(s *Server, _ func()) {
		f.hold = make(chan struct{})
		first := serve(t, s, nil, desk, speed("pump", 77))
		second := serve(t, s, nil, desk, speed("pump", 2))
		both := serve(t, s, nil, desk, "<nd id='fan'/>"+speed("pump", 3))
		after := serve(t, s, nil, desk, speed("fan", 4))
		elsewhere := serve(t, s, nil, desk, "<nd id='all'/><b n='bool' v='1'/>")
		other := serve(t, s, nil, "ops@example.org/phone", speed("pump", 5))
		synctest.Wait()
		for _, c := range []<-chan string{elsewhere, other} {
			select {
			case got := <-c:
				if got != "done" {
					t.Error(got)
				}
			default:
				t.Error("waits for what is not before it")
			}
		}
		close(f.hold)
		for _, c := range []<-chan string{first, second, both, after} {
			if got := <-c; got != "done" {
				t.Error(got)
			}
		}
	})
	_, rest, _ := strings.Cut(f.all(), "pump speed=77 ")
	if want := "pump speed=2 fan speed=3 pump speed=3 fan speed=4"; rest != want {
		t.Errorf("written %s, want … %s", f.all(), want)
	}
}

// TestUnknownInTime: what the device does not say is answered within 12 s, exactly
// once; what waited for it was not begun.
func TestUnknownInTime(t *testing.T) {
	f := &fake{}
	running(t, f, func(s *Server, _ func()) {
		f.hold = make(chan struct{})
		began := time.Now()
		first := serve(t, s, nil, desk, speed("pump", 77))
		second := serve(t, s, nil, desk, speed("pump", 2))
		if got := <-second; !strings.HasPrefix(got, "wait resource-constraint: ") || time.Since(began) != WaitTime {
			t.Errorf("%s after %v", got, time.Since(began))
		}
		if got := <-first; !strings.HasPrefix(got, "wait remote-server-timeout: outcome unknown") || time.Since(began) != AnswerTime || AnswerTime > 12*time.Second {
			t.Errorf("%s after %v", got, time.Since(began))
		}
		close(f.hold)
		synctest.Wait()
		if len(first)+len(second) != 0 {
			t.Error("a second answer")
		}
	})
	if f.count() != 1 {
		t.Errorf("%d sets, want 1", f.count())
	}
}

// TestGone: what waits when its sender goes is not begun.
func TestGone(t *testing.T) {
	f := &fake{}
	running(t, f, func(s *Server, _ func()) {
		f.hold = make(chan struct{})
		serve(t, s, nil, desk, speed("pump", 77))
		serve(t, s, nil, desk, speed("pump", 2))
		kept := serve(t, s, nil, "ops@example.org/phone", speed("fan", 3))
		synctest.Wait()
		s.Gone(nil, desk)
		close(f.hold)
		if got := <-kept; got != "done" {
			t.Error(got)
		}
		synctest.Wait()
	})
	if strings.Contains(f.all(), "pump speed=2") || f.count() != 2 {
		t.Errorf("written %s", f.all())
	}
}

// TestBounds: a sender may have so many sets under way; nothing of the others is
// written.
func TestBounds(t *testing.T) {
	f := &fake{}
	running(t, f, func(s *Server, _ func()) {
		f.hold = make(chan struct{})
		var answers []<-chan string
		for range MaxSetsEach {
			answers = append(answers, serve(t, s, nil, desk, speed("pump", 77)))
		}
		if got := <-serve(t, s, nil, "ops@example.org/phone", speed("fan", 1)); !strings.HasPrefix(got, "wait resource-constraint: ") {
			t.Error(got)
		}
		close(f.hold)
		for _, c := range answers {
			if got := <-c; got != "done" {
				t.Error(got)
			}
		}
		synctest.Wait()
		if got := <-serve(t, s, nil, desk, speed("fan", 1)); got != "done" {
			t.Error(got)
		}
	})
}

// TestStopping: what waits when the hub stops is answered.
func TestStopping(t *testing.T) {
	f := &fake{}
	running(t, f, func(s *Server, stop func()) {
		f.hold = make(chan struct{})
		begun := serve(t, s, nil, desk, speed("pump", 77))
		waiting := serve(t, s, nil, desk, speed("pump", 2))
		synctest.Wait()
		stop()
		synctest.Wait()
		late := serve(t, s, nil, desk, speed("pump", 3))
		for _, c := range []<-chan string{waiting, late} {
			if got := <-c; !strings.HasPrefix(got, "wait resource-constraint: ") {
				t.Error(got)
			}
		}
		close(f.hold)
		if got := <-begun; got != "done" {
			t.Error(got)
		}
	})
	if f.count() != 1 {
		t.Errorf("%d sets, want 1", f.count())
	}
}

// TestNobodyElse: strangers find nothing.
func TestNobodyElse(t *testing.T) {
	f := &fake{}
	n := exttest.New(t, New(f, quiet))
	link := n.Join("mallory@example.org/x", nil)
	for _, request := range []string{element("set", NSNFI, speed("pump", 1)), element("getForm", NSNFI, "<nd id='pump'/>")} {
		typ := "set"
		if strings.HasPrefix(request, "<getForm") {
			typ = "get"
		}
		_, err := link.AskRaw(t.Context(), typ, request)
		var e *ext.StanzaError
		if !errors.As(err, &e) || e.Condition != "item-not-found" {
			t.Errorf("%s: %v", request, err)
		}
	}
	if f.count() != 0 {
		t.Error("the backend was asked to set")
	}
}
