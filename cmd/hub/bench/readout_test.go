package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"os"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/local"
	"github.com/fieldhub/hub/xmppface/sensordata"
	"github.com/fieldhub/hub/xmppface/wire"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// place is a server to measure through.
type place struct {
	name, addr, ca, hub, ops string
}

func prosody(t *testing.T, stock bool) place {
	p := xmpptest.Prosody(t, xmpptest.Options{Stock: stock})
	p.AddUser(t, "hub", "pw")
	p.AddUser(t, "ops", "pw")
	return place{"Prosody", p.Addr(), p.CAFile(), "hub@" + p.Domain(), "ops@" + p.Domain()}
}

func localServer(t *testing.T) place {
	domain := local.NewDomain()
	cert, err := local.NewCertificate(domain)
	if err != nil {
		t.Fatal(err)
	}
	accounts := &local.Memory{}
	for _, name := range []string{"hub", "ops"} {
		if err := accounts.AddUser(name, "pw"); err != nil {
			t.Fatal(err)
		}
	}
	s, err := local.New(local.Config{Domain: domain, Certificate: cert, Accounts: accounts, Rosters: accounts, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	go s.Run(t.Context())
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, cert.Cert, 0o600); err != nil {
		t.Fatal(err)
	}
	return place{"local", s.Addr().String(), ca, "hub@" + domain, "ops@" + domain}
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// gauge is an adapter of one node that has a value.
func gauge() adapters.Factory {
	return adapters.Factory{Name: "gauge", Types: []nodes.Type{{Name: "gauge", Title: "Gauge", Parents: []string{nodes.TypeRoot}, Connects: true, Caps: nodes.CanRead}},
		Open: func(e adapters.Env) (nodes.Device, error) { return needle{e}, nil }}
}

type needle struct{ env adapters.Env }

func (n needle) Update(nodes.Change) {}
func (n needle) Run(ctx context.Context) error {
	n.env.Host.Report([]nodes.Reading{{Node: n.env.Node.ID, MaxAge: time.Hour, Fields: []nodes.Field{
		{Name: "Level", Value: nodes.Quantity(23.5, 2, "m"), Time: time.Now(), Category: nodes.Momentary}}}})
	<-ctx.Done()
	return nil
}

// catalog is one over a tree with a gauge "g", for everybody who is ops.
func catalog(t *testing.T, ops string) *datasources.Catalog {
	set, err := adapters.NewSet(gauge())
	if err != nil {
		t.Fatal(err)
	}
	tr, err := tree.New(tree.Config{Types: set.Types(), Store: &tree.Memory{}, Opener: set})
	if err != nil {
		t.Fatal(err)
	}
	go tr.Run(t.Context())
	if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In(nodes.RootID), Type: "gauge", Name: "g"}); err != nil {
		t.Fatal(err)
	}
	for {
		if _, fresh, _ := tr.Current("g"); fresh {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return datasources.New(datasources.NewAccess(datasources.Rule{Who: []string{ops}, May: nodes.AllRights}), set.Tap, tr)
}

func dial(t *testing.T, p place, jid string, x ...ext.Extension) *xmppface.Session {
	s, err := xmppface.Dial(t.Context(), xmppface.Account{JID: jid, Password: "pw", Server: p.addr, CAFile: p.ca, Log: quiet}, x...)
	if err != nil {
		t.Fatal(err)
	}
	go s.Run(t.Context())
	return s
}

// request asks for one field; the echo is asked with the same elements, so that
// both ends parse as much.
const request = "<req xmlns='%s' id='1' m='true'><nd id='g'/><f n='Level'/></req>"

// TestReadout compares a readout of one current field with an echo that answers
// with the very same bytes, on the same sessions, in turns.
func TestReadout(t *testing.T) {
	const rounds, window = 9, 400 * time.Millisecond
	fmt.Printf("\nReadout of one current field against an echo that is asked with as many bytes and answers with as many, on the same sessions (medians of %d rounds of %v)\n\n", rounds, window)
	fmt.Printf("| server | in flight | echo/s | readout/s | ratio (required: 0.85) | echo p50 | readout p50 | ratio (required at 1: 1.2) |\n|---|---|---|---|---|---|---|---|\n")
	for _, p := range []place{localServer(t), prosody(t, false)} {
		echo := &xmpptest.Echo{}
		server := sensordata.New(catalog(t, p.ops), quiet)
		go server.Run(t.Context())
		hub := dial(t, p, p.hub, server, echo)
		client := dial(t, p, p.ops)
		ask := func(space string) func(context.Context) error {
			b := fmt.Appendf(nil, request, space)
			return func(ctx context.Context) error {
				_, err := client.Ask(ctx, hub.Self(), "get", b)
				return err
			}
		}
		first, err := client.Ask(t.Context(), hub.Self(), "get", fmt.Appendf(nil, request, sensordata.NSNFI))
		if err != nil {
			t.Fatal(err)
		}
		echo.Payload = first.Append(nil, "")
		if n, _ := answerFields(first); n != 1 {
			t.Fatalf("the readout has %d fields: %s", n, echo.Payload)
		}
		for _, depth := range []int{1, 16, 64} {
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
			ep, rp := time.Duration(median(middles[0])), time.Duration(median(middles[1]))
			fmt.Printf("| %s | %d | %.0f | %.0f | %.2f | %v | %v | %.2f |\n", p.name, depth, e, r, r/e,
				ep.Round(time.Microsecond), rp.Round(time.Microsecond), float64(rp)/float64(ep))
		}
	}
}

func answerFields(e *wire.Element) (n int, err error) {
	for _, nd := range e.Children {
		for _, ts := range nd.Children {
			n += len(ts.Children)
		}
	}
	return n, nil
}

// TestEncode measures how fast an answer of 1,000 fields is written.
func TestEncode(t *testing.T) {
	fields := make([]nodes.Field, 1000)
	for i := range fields {
		fields[i] = nodes.Field{Name: fmt.Sprintf("Temperature %d", i), Value: nodes.Quantity(20+float64(i)/10, 1, "°C"),
			Time: time.Now(), Category: nodes.Momentary, QoS: nodes.AutomaticReadout}
	}
	b := make([]byte, 0, 1<<20)
	const rounds, times = 101, 200
	var rates []float64
	for range rounds {
		began := time.Now()
		for range times {
			b, _ = wire.AppendFields(b[:0], fields, 1<<30)
		}
		rates = append(rates, float64(len(b))*times/time.Since(began).Seconds()/1e6)
	}
	allocs := testing.AllocsPerRun(100, func() { b, _ = wire.AppendFields(b[:0], fields, 1<<30) })
	fmt.Printf("\nAn answer of 1,000 fields, %d bytes (median and best of %d rounds of %d)\n\n", len(b), rounds, times)
	fmt.Printf("| | |\n|---|---|\n| median | %.0f MB/s |\n| best | %.0f MB/s (required: 1,000) |\n| allocations | %.0f |\n", median(rates), slices.Max(rates), allocs)
}
