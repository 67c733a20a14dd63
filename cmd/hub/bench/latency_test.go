package bench

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/sensordata"
)

// stamps is a client's receiver that notes when messages of subscriptions came.
type stamps struct {
	mu   sync.Mutex
	ids  map[string]bool // those that are noted
	at   []time.Time
	want int
	all  chan struct{} // 1: as many came as were wanted
}

func (s *stamps) Spaces() []string { return []string{sensordata.NSNFI} }
func (s *stamps) Serve(r *ext.Request) {
	r.Respond(nil, &ext.StanzaError{Type: "cancel", Condition: "feature-not-implemented"})
}

func (s *stamps) Receive(m *ext.Message) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ids[m.Payload.Attr("id")] {
		return
	}
	if s.at = append(s.at, now); len(s.at) == s.want {
		s.all <- struct{}{}
	}
}

// TestLatency measures from a changed value to the subscriber's stanza.
func TestLatency(t *testing.T) {
	const count = 1000
	fmt.Printf("\nFrom a changed value to the stanza at the subscriber, who has so many subscriptions; one value changes every 30 ms, 300 times\n\n")
	fmt.Printf("| server | subscriptions | of the changed value | p50 | p99 |\n|---|---|---|---|---|\n")
	for _, p := range []place{localServer(t), prosody(t, false)} {
		for _, kind := range []struct{ all, of int }{{1, 1}, {100, 1}, {10000, 1}, {100, 100}} {
			cat, b := points(t, p.ops, count)
			server := events.New(cat, quiet)
			server.MaxEach, server.MaxAll = 20000, 20000
			ctx, stop := context.WithCancel(t.Context())
			go server.Run(ctx)
			hub := dial(t, p, p.hub, server)
			in := &stamps{ids: make(map[string]bool), want: kind.of, all: make(chan struct{}, 1)}
			client := dial(t, p, p.ops, in)
			if err := subscribeAll(ctx, client, hub.Self(), kind.all, func(i int) (string, string) {
				if i >= kind.of {
					return "p" + strconv.Itoa(1+i%(count-1)), ""
				}
				in.ids["s"+strconv.Itoa(i)] = true
				return "p0", ""
			}); err != nil {
				t.Fatal(err)
			}
			var took []time.Duration
			for i := range 300 {
				time.Sleep(30 * time.Millisecond) // a subscription gets at most one message in 20
				in.mu.Lock()
				in.at = in.at[:0]
				in.mu.Unlock()
				began := time.Now()
				b.set("p0", float64(i+1))
				select {
				case <-in.all:
				case <-time.After(10 * time.Second):
					t.Fatalf("%+v: not all were told", kind)
				}
				in.mu.Lock()
				for _, at := range in.at {
					took = append(took, at.Sub(began))
				}
				in.mu.Unlock()
			}
			slices.Sort(took)
			fmt.Printf("| %s | %d | %d | %v | %v |\n", p.name, kind.all, kind.of, took[len(took)/2].Round(time.Microsecond), took[len(took)*99/100].Round(time.Microsecond))
			stop()
			client.Close()
			hub.Close()
		}
	}
}

// subscribeAll makes so many subscriptions, "s0" and so on, each to the node and with the
// condition that is told.
func subscribeAll(ctx context.Context, client ext.Link, to string, n int, at func(int) (node, condition string)) error {
	next := make(chan string, n)
	for i := range n {
		node, condition := at(i)
		next <- fmt.Sprintf("<subscribe xmlns='%s' id='s%d' m='true'><nd id='%s'/>%s</subscribe>", events.NSNFI, i, node, condition)
	}
	close(next)
	failures := make(chan error, 64)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for payload := range next {
				if _, err := client.Ask(ctx, to, "set", []byte(payload)); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}

// TestUnconcerned measures what a change costs while there are subscriptions that it
// does not concern.
func TestUnconcerned(t *testing.T) {
	const rounds, times = 21, 2000
	p := localServer(t)
	fmt.Printf("\nA value that changes, from the device until all subscriptions are checked (medians of %d rounds of %d)\n\n", rounds, times)
	fmt.Printf("| 10,000 subscriptions | per change | more for each |\n|---|---|---|\n")
	var none float64
	for _, kind := range []struct {
		name string
		n    int
		at   func(i int) (node, condition string)
	}{
		{"none", 0, nil},
		{"of other nodes", 10000, func(i int) (string, string) { return "p" + strconv.Itoa(1+i%999), "" }},
		{"of another field of the node", 10000, func(int) (string, string) { return "p0", "<f n='Other'/>" }},
		{"of the value, by more than it changes", 10000, func(int) (string, string) { return "p0", "<f n='Level' by='1000000'/>" }},
	} {
		cat, b := points(t, p.ops, 1000)
		server := events.New(cat, quiet)
		server.MaxEach, server.MaxAll = 20000, 20000
		ctx, stop := context.WithCancel(t.Context())
		go server.Run(ctx)
		hub := dial(t, p, p.hub, server)
		client := dial(t, p, p.ops)
		times := times
		if err := subscribeAll(ctx, client, hub.Self(), kind.n, kind.at); err != nil {
			t.Fatal(err)
		}
		b.set("p0", 0)
		v, each := 0.0, []float64{}
		if began := time.Now(); kind.n > 0 {
			b.set("p0", 1)
			if time.Since(began) > 100*time.Microsecond {
				times = 20
			}
		}
		for range rounds {
			began := time.Now()
			for range times {
				v++
				b.set("p0", math.Mod(v, 1000))
			}
			each = append(each, float64(time.Since(began))/float64(times))
		}
		m := median(each)
		if kind.n == 0 {
			none = m
		}
		fmt.Printf("| %s | %v | %.1f ns |\n", kind.name, time.Duration(m), (m-none)/float64(max(1, kind.n)))
		stop()
		client.Close()
		hub.Close()
	}
}
