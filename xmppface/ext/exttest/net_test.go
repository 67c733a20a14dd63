package exttest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
)

func TestMain(m *testing.M) { Main(m) }

// echo answers with what it was asked, then tells the sender three messages.
type echo struct {
	ext.Workers
	mu   sync.Mutex
	gone []string
}

func (e *echo) Spaces() []string { return []string{"urn:example:echo"} }

func (e *echo) Run(ctx context.Context) error {
	e.Workers.Run(ctx, 4)
	return nil
}

func (e *echo) Serve(r *ext.Request) {
	switch r.Payload.Name.Local {
	case "fail":
		r.Fail(nodes.Errorf(nodes.NotFound, "", nodes.Ref{}, "nothing <here>"))
	case "never":
	default:
		r.Result([]byte("<echo xmlns='urn:example:echo' who='" + r.Caller.Full + "' lang='" + r.Caller.Lang + "'/>"))
		r.Result([]byte("<second/>"))
		e.Go(func(ctx context.Context) {
			for _, n := range []string{"1", "2", "3"} {
				_ = r.Link.Tell(ctx, r.Caller.Full, []byte("<tick xmlns='urn:example:echo' n='"+n+"'/>"))
			}
		})
	}
}

func (e *echo) Gone(_ ext.Link, jid string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = append(e.gone, jid)
}

type ticks chan string

func (c ticks) Receive(m *ext.Message) { c <- m.Payload.Attr("n") }

func TestPair(t *testing.T) {
	ctx := t.Context()
	server, got := &echo{}, make(ticks, 10)
	link := Pair(t, server, got)
	link.Lang = "sv"
	answer, err := link.Ask(ctx, ServerJID, "get", []byte("<ask xmlns='urn:example:echo'/>"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := answer.Attr("who")+" "+answer.Attr("lang"), ClientJID+" sv"; got != want {
		t.Errorf("answer %q, want %q", got, want)
	}
	for _, want := range []string{"1", "2", "3"} {
		select {
		case n := <-got:
			if n != want {
				t.Errorf("message %s, want %s", n, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("no message")
		}
	}
	_, err = link.AskRaw(ctx, "get", "<fail xmlns='urn:example:echo'/>")
	var stanza *ext.StanzaError
	if !errors.As(err, &stanza) || stanza.Condition != "item-not-found" || stanza.Text != "nothing <here>" {
		t.Errorf("error %v", err)
	}
}

func TestDrop(t *testing.T) {
	server := &echo{}
	link := Pair(t, server, nil)
	failed := make(chan error)
	go func() {
		_, err := link.AskRaw(t.Context(), "get", "<never xmlns='urn:example:echo'/>")
		failed <- err
	}()
	for pending := 0; pending == 0; time.Sleep(time.Millisecond) {
		link.mu.Lock()
		pending = len(link.pending)
		link.mu.Unlock()
	}
	link.Drop()
	if err := <-failed; nodes.KindOf(err) != nodes.Unreachable {
		t.Errorf("pending ask ended with %v", err)
	}
	if err := link.Tell(t.Context(), ServerJID, []byte("<x/>")); err == nil {
		t.Error("a dropped link still tells")
	}
	again := link.Net().Join(ClientJID, nil)
	again.Net().Server.Drop()
	server.mu.Lock()
	defer server.mu.Unlock()
	if len(server.gone) != 2 || server.gone[0] != ClientJID || server.gone[1] != "" {
		t.Errorf("the server was told of %q", server.gone)
	}
}

func TestStall(t *testing.T) {
	got := make(ticks, 1000)
	link := Pair(t, &echo{}, got)
	link.Stall()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	payload := []byte("<tick xmlns='urn:example:echo'>")
	for range 10 << 10 {
		payload = append(payload, 'x')
	}
	payload = append(payload, "</tick>"...)
	sent := 0
	for link.Net().Server.Tell(ctx, ClientJID, payload) == nil {
		sent++
	}
	if sent == 0 || sent > 10 {
		t.Errorf("%d messages fitted in", sent)
	}
	link.Resume()
	for range sent {
		<-got
	}
}

func TestValidate(t *testing.T) {
	dir := t.TempDir()
	schemas := t.TempDir()
	script := "#!/bin/sh\ngrep -q good \"$@\" || { echo bad file; exit 1; }\n"
	if err := os.WriteFile(filepath.Join(schemas, "validate"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.xml"), []byte("good"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := validate(schemas, dir); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.xml"), []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := validate(schemas, dir); err == nil {
		t.Error("a wrong payload was accepted")
	}
}
