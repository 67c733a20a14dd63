package gpio

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/gpio/gpiotest"
	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/local"
	"github.com/fieldhub/hub/xmppface/sensordata"
)

// subscriber runs an XMPP server, a hub with one input, and a client that subscribed
// to it. came gets each level that the client is told; the result drives the line.
func subscriber(t testing.TB, came func(level bool)) (drive func(level bool)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	run := func(f func(context.Context) error) { running.Go(func() { f(ctx) }) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	quiet := slog.New(slog.DiscardHandler)
	domain := local.NewDomain()
	cert, err := local.NewCertificate(domain)
	must(err)
	accounts := &local.Memory{}
	must(accounts.AddUser("hub", "pw"))
	must(accounts.AddUser("ops", "pw"))
	server, err := local.New(local.Config{Domain: domain, Certificate: cert, Accounts: accounts, Rosters: accounts, Log: quiet})
	must(err)
	must(server.Listen(ctx))
	run(server.Run)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(os.WriteFile(ca, cert.Cert, 0o600))
	dial := func(name string, x ...ext.Extension) *xmppface.Session {
		s, err := xmppface.Dial(ctx, xmppface.Account{JID: name + "@" + domain, Password: "pw", Server: server.Addr().String(), CAFile: ca, Log: quiet}, x...)
		must(err)
		run(s.Run)
		return s
	}

	b := gpiotest.NewBoard()
	c := b.Add("sim", 1)
	set, err := adapters.NewSet(factory(b, usual))
	must(err)
	tr, err := tree.New(tree.Config{Types: set.Types(), Store: &tree.Memory{}, Opener: set})
	must(err)
	run(tr.Run)
	must(tr.Import(ctx, []*nodes.Node{{Spec: nodes.Spec{ID: "io", Name: "io", Type: TypeChip, Parent: nodes.RootID, Params: params("Chip", "sim")},
		Children: []*nodes.Node{inputNode("door", "0")}}}))
	catalog := datasources.New(datasources.NewAccess(datasources.Rule{Who: []string{"ops@" + domain}, May: nodes.AllRights}), set.Tap, tr)
	told := events.New(catalog, quiet)
	run(told.Run)
	hub := dial("hub", told)
	client := &events.Client{}
	client.Link = dial("ops", letters{client})
	client.To = hub.Self()
	eventually(t, "the input is read", func() bool { _, fresh, _ := tr.Current("io/door"); return fresh })
	_, err = client.Subscribe(ctx, events.Subscription{Refs: []nodes.Ref{nodes.In("io/door")}}, func(_ nodes.Ref, r nodes.Reading) {
		for _, f := range r.Fields {
			came(f.Value.Bool())
		}
	})
	must(err)
	return func(level bool) { c.Drive(0, level) }
}

// letters has messages of the sensor data namespace go to an events client.
type letters struct{ *events.Client }

func (letters) Spaces() []string { return []string{sensordata.NSNFI} }
func (letters) Serve(rq *ext.Request) {
	rq.Fail(&ext.StanzaError{Type: "cancel", Condition: "service-unavailable"})
}

// An edge reaches a subscriber over XMPP.
func TestSubscriber(t *testing.T) {
	came := make(chan bool, 10)
	drive := subscriber(t, func(level bool) { came <- level })
	for _, want := range []bool{true, false, true} {
		drive(want)
		select {
		case got := <-came:
			if got != want {
				t.Errorf("told %v, want %v", got, want)
			}
		case <-time.After(soon):
			t.Fatal("nothing was told")
		}
	}
}

// BenchmarkSubscriber tells how long an edge takes from the line to a subscriber over
// XMPP, through the hub's own server on the same machine.
func BenchmarkSubscriber(b *testing.B) {
	came := make(chan time.Time, 10)
	drive := subscriber(b, func(bool) { came <- time.Now() })
	var took []time.Duration
	for on := true; b.Loop(); on = !on {
		time.Sleep(50 * time.Millisecond) // longer than the least time between two messages
		began := time.Now()
		drive(on)
		took = append(took, (<-came).Sub(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
}
