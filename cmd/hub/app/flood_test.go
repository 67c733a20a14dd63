package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldhub/hub/cmd/hub/app/config"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/concentrator"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/sensordata"
)

// TestFloodOfEachKind: somebody with two clients asks the whole hub for one thing after the
// other, as fast as he can. He is told which limit of hub.yaml he has reached; another's
// requests are answered meanwhile, all and soon.
func TestFloodOfEachKind(t *testing.T) {
	h := limitedHub(t, config.Limits{Requests: 200, Shares: xmppface.Shares{Subscriptions: 3, SourceSubscriptions: 1, Sniffers: 2, Queries: 2}})
	other, first := join(t, h, "other"), join(t, h, "flooder")
	second := anotherClient(t, h, first)
	give(h, nil, map[string]nodes.Rights{"other": nodes.AllRights, "flooder": nodes.AllRights})
	asked := func(n int) (times []time.Duration) {
		for range n {
			began := time.Now()
			if answer, condition := other.ask(t, "get", "<getNode xmlns='"+concentrator.NSNF+"' id='in/M'/>"); condition != "" {
				t.Errorf("the other's request: %s %s", condition, answer)
			}
			times = append(times, time.Since(began))
			time.Sleep(5 * time.Millisecond)
		}
		slices.Sort(times)
		return times
	}
	before := asked(40)
	began := time.Now()
	for _, tt := range []struct{ typ, payload, want string }{
		{"set", "<registerSniffer xmlns='" + concentrator.NSNF + "' id='in/M'/>", "sniffers"},
		{"set", "<subscribe xmlns='" + concentrator.NSNF + "' src='" + nodes.DefaultSource + "' ttl='600'/>", "source_subscriptions"},
		{"set", "<executeNodeQuery xmlns='" + concentrator.NSNF + "' id='in/M' command='Wait' queryId='{u}'/>", "queries"},
		{"set", "<subscribe xmlns='" + events.NSNF + "' id='{u}' m='true'><nd id='in/M'/></subscribe>", "subscriptions"},
		{"get", "<req xmlns='" + sensordata.NSNF + "' id='{u}' all='true'><nd id='in/M'/></req>", "requests"},
		{"get", "<getAllNodes xmlns='" + concentrator.NSNF + "' src='" + nodes.DefaultSource + "'/>", "requests"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			var sent, done, refused atomic.Int64
			for i := range 32 {
				p := []*visitor{first, second}[i%2]
				wg.Go(func() {
					for ctx.Err() == nil {
						each, end := context.WithTimeout(ctx, 300*time.Millisecond) // many are ignored
						_, err := p.Ask(each, p.hub, tt.typ, []byte(strings.ReplaceAll(tt.payload, "{u}", fmt.Sprint("u", sent.Add(1)))))
						end()
						var failure *ext.StanzaError
						switch {
						case err == nil:
							done.Add(1)
						case errors.As(err, &failure) && failure.Condition == "resource-constraint" && failure.Type == "wait":
							if strings.Contains(failure.Text, "limits, "+tt.want+", in hub.yaml") {
								refused.Add(1)
							}
						case each.Err() == nil:
							t.Errorf("the flooder: %v", err)
							return
						}
					}
				})
			}
			time.Sleep(200 * time.Millisecond)
			times := asked(40)
			cancel()
			wg.Wait()
			median, longest := times[len(times)/2], times[len(times)-1]
			t.Logf("%d requests, %d done, %d refused for this limit; the other's: median %v, longest %v, before %v and %v",
				sent.Load(), done.Load(), refused.Load(), median, longest, before[len(before)/2], before[len(before)-1])
			if refused.Load() == 0 {
				t.Errorf("of %d requests none was refused for %s", sent.Load(), tt.want)
			}
			if longest > before[len(before)-1]+time.Second {
				t.Errorf("the other's requests took up to %v, before %v", longest, before[len(before)-1])
			}
		})
	}
	records := 0
	for _, r := range h.audit.list(nodes.AuditQuery{Most: maxAudit}) {
		if r.What == "requests beyond the limits" {
			records++
			if !strings.HasPrefix(r.JID, "flooder@") || r.Way != nodes.WayLocal {
				t.Errorf("the audit has %+v", r)
			}
		}
	}
	if records == 0 || records > 1+int(time.Since(began)/time.Minute) {
		t.Errorf("the audit has %d records, want one a minute", records)
	}
}

// anotherClient is one more client of somebody.
func anotherClient(t *testing.T, h *hub, p *visitor) *visitor {
	t.Helper()
	q := &visitor{name: p.name, hub: p.hub}
	q.dial(t, h)
	return q
}
