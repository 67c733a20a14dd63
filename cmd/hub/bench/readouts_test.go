package bench

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/sensordata"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// replay is an extension that answers with what a hub has answered before: the same
// result, then the same messages.
type replay struct {
	ctx      context.Context
	result   []byte
	messages [][]byte
	id       string // in them, by that of the request to be replaced
}

func (p *replay) Spaces() []string { return []string{xmpptest.EchoNS} }

func (p *replay) Serve(r *ext.Request) {
	id := []byte(" id='" + r.Payload.Attr("id") + "'")
	was := []byte(" id='" + p.id + "'")
	r.Result(bytes.Replace(p.result, was, id, 1))
	if len(p.messages) == 0 {
		return
	}
	go func() { // as a hub does it, which has workers for that
		for _, m := range p.messages {
			if r.Link.Tell(p.ctx, r.Caller.Full, bytes.Replace(m, was, id, 1)) != nil {
				return
			}
		}
	}()
}

// arrivals is a client's receiver of readouts.
type arrivals struct {
	mu   sync.Mutex
	done map[string]chan struct{} // by id; told of the last message
	keep *[][]byte                // the messages, when wanted
}

func (a *arrivals) Spaces() []string { return []string{sensordata.NSNFI} }
func (a *arrivals) Serve(r *ext.Request) {
	r.Respond(nil, &ext.StanzaError{Type: "cancel", Condition: "feature-not-implemented"})
}

func (a *arrivals) Receive(m *ext.Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keep != nil {
		*a.keep = append(*a.keep, m.Payload.Append(nil, ""))
	}
	if e := m.Payload; e.Name.Local == "done" || e.Name.Local == "resp" && !e.Flag("more") {
		if c := a.done[e.Attr("id")]; c != nil {
			c <- struct{}{}
		}
	}
}

// TestReadouts compares readouts of many nodes with the same bytes from a hub that has
// nothing to do for them.
func TestReadouts(t *testing.T) {
	const rounds, window, depth = 9, 500 * time.Millisecond, 4
	fmt.Printf("\nReadouts of current values of many nodes against the very same stanzas, sent without reading anything, on the same sessions; %d in flight (medians of %d rounds of %v)\n\n", depth, rounds, window)
	fmt.Printf("| server | nodes | bytes | stanzas | replay/s | readout/s | ratio (required: 0.8) | replay p50 | readout p50 |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, p := range []place{localServer(t), prosody(t, false)} {
		cat, _ := points(t, p.ops, 1000)
		server := sensordata.New(cat, quiet)
		go server.Run(t.Context())
		again := &replay{ctx: t.Context(), id: "w0"}
		hub := dial(t, p, p.hub, server, again)
		in := &arrivals{done: make(map[string]chan struct{})}
		ids := make(chan string, depth)
		for i := range depth {
			id := "w" + strconv.Itoa(i)
			in.done[id] = make(chan struct{}, 1)
			ids <- id
		}
		client := dial(t, p, p.ops, in)
		for _, count := range []int{1, 10, 100, 1000} {
			var nds bytes.Buffer
			for i := range count {
				fmt.Fprintf(&nds, "<nd id='p%d'/>", i)
			}
			ask := func(space string) func(context.Context) error {
				return func(ctx context.Context) error {
					id := <-ids
					defer func() { ids <- id }()
					e, err := client.Ask(ctx, hub.Self(), "get", fmt.Appendf(nil, "<req xmlns='%s' id='%s' m='true'>%s</req>", space, id, nds.Bytes()))
					if err != nil || e.Name.Local == "resp" {
						return err
					}
					select {
					case <-in.done[id]:
						return nil
					case <-time.After(30 * time.Second):
						return fmt.Errorf("no end of %s", id)
					}
				}
			}
			// What is answered once is what is replayed.
			var messages [][]byte
			in.mu.Lock()
			in.keep = &messages
			in.mu.Unlock()
			first, err := client.Ask(t.Context(), hub.Self(), "get", fmt.Appendf(nil, "<req xmlns='%s' id='w0' m='true'>%s</req>", sensordata.NSNFI, nds.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if first.Name.Local != "resp" {
				<-in.done["w0"]
			}
			in.mu.Lock()
			in.keep = nil
			in.mu.Unlock()
			again.result, again.messages = first.Append(nil, ""), messages
			size := len(again.result)
			for _, m := range messages {
				size += len(m)
			}
			var rates, middles [2][]float64
			for range rounds {
				for i, what := range []func(context.Context) error{ask(xmpptest.EchoNS), ask(sensordata.NSNFI)} {
					l, err := xmpptest.Measure(t.Context(), depth, window, what)
					if err != nil {
						t.Fatal(err)
					}
					rates[i] = append(rates[i], l.Rate)
					middles[i] = append(middles[i], float64(l.P50))
				}
			}
			e, r := median(rates[0]), median(rates[1])
			fmt.Printf("| %s | %d | %d | %d | %.0f | %.0f | %.2f | %v | %v |\n", p.name, count, size, 1+len(messages), e, r, r/e,
				time.Duration(median(middles[0])).Round(time.Microsecond), time.Duration(median(middles[1])).Round(time.Microsecond))
		}
	}
}
