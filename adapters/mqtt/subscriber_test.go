package mqtt

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/local"
	"github.com/fieldhub/hub/xmppface/sensordata"
)

// subscriber runs an XMPP server, a hub with one device of a broker, and a client that
// subscribed to its field x; came gets each value that the client is told. It returns when
// the hub has got a message that is retained there.
func subscriber(t testing.TB, port int, came func(v float64)) {
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
	set, err := adapters.NewSet(Factory())
	must(err)
	tr, err := tree.New(tree.Config{Types: set.Types(), Store: &tree.Memory{}, Opener: set})
	must(err)
	run(tr.Run)
	must(tr.Import(ctx, []*nodes.Node{{Spec: nodes.Spec{ID: "mq", Name: "mq", Type: TypeBroker, Parent: nodes.RootID,
		Params: params("Host", "127.0.0.1", "Port", port)}, Children: one()}}))
	catalog := datasources.New(datasources.NewAccess(datasources.Rule{Who: []string{"ops@" + domain}, May: nodes.AllRights}), set.Tap, tr)
	told := events.New(catalog, quiet)
	run(told.Run)
	hub := dial("hub", told)
	client := &events.Client{}
	client.Link = dial("ops", letters{client})
	client.To = hub.Self()
	_, err = client.Subscribe(ctx, events.Subscription{Refs: []nodes.Ref{nodes.In("mq/a/x")}}, func(_ nodes.Ref, r nodes.Reading) {
		for _, f := range r.Fields {
			came(f.Value.Double())
		}
	})
	must(err)
	for end := time.Now().Add(soon); ; time.Sleep(20 * time.Millisecond) {
		if r, _, _ := tr.Current("mq/a/x"); len(r.Fields) > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the hub has not got the retained message")
		}
	}
}

// letters has messages of the sensor data namespace go to an events client.
type letters struct{ *events.Client }

func (letters) Spaces() []string { return []string{sensordata.NSNFI} }
func (letters) Serve(rq *ext.Request) {
	rq.Fail(&ext.StanzaError{Type: "cancel", Condition: "service-unavailable"})
}

// A message reaches a subscriber over XMPP.
func TestSubscriber(t *testing.T) {
	m := mosquitto(t)
	c := publisher(t, m.Port)
	came := make(chan float64, 100)
	send(t, c, "a", true, `{"x":0}`)
	subscriber(t, m.Port, func(v float64) { came <- v })
	for _, want := range []float64{1, 2, 3} {
		send(t, c, "a", false, fmt.Sprintf(`{"x":%v}`, want))
		select {
		case got := <-came:
			if got == 0 { // the retained one, when it came after the client had subscribed
				got = <-came
			}
			if got != want {
				t.Errorf("told %v, want %v", got, want)
			}
		case <-time.After(soon):
			t.Fatal("nothing was told")
		}
	}
}

// BenchmarkSubscriber tells how long a message takes from its publisher through Mosquitto
// and the hub to a subscriber over XMPP, through the hub's own server on the same machine.
func BenchmarkSubscriber(b *testing.B) {
	m := mosquitto(b)
	c := publisher(b, m.Port)
	came := make(chan time.Time, 10)
	send(b, c, "a", true, `{"x":0}`)
	subscriber(b, m.Port, func(v float64) {
		if v > 0 {
			came <- time.Now()
		}
	})
	var took []time.Duration
	for n := 1; b.Loop(); n++ {
		time.Sleep(50 * time.Millisecond) // longer than the least time between two messages
		began := time.Now()
		c.Publish("a", 0, false, fmt.Sprintf(`{"x":%d}`, n))
		took = append(took, (<-came).Sub(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
}
