package xmppface

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/xmpptest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "pencil & <paper>"

// account makes an account on the server and says how to use it.
func account(t testing.TB, srv xmpptest.Server, name string) Account {
	t.Helper()
	srv.AddUser(t, name, password)
	return Account{JID: name + "@" + srv.Domain(), Password: password, Server: srv.Addr(), CAFile: srv.CAFile(),
		Resource: "test", Timeout: 10 * time.Second, Log: quiet(t)}
}

// quiet logs to the test.
func quiet(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// online dials and runs a session until the test ends.
func online(t testing.TB, a Account, extensions ...ext.Extension) *Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := Dial(ctx, a, extensions...)
	if err != nil {
		t.Fatal(err)
	}
	start(t, s.Run)
	return s
}

// start calls run until the test ends, or stop is called.
func start(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil {
			t.Logf("Run: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// served is an extension of a test.
type served struct {
	space   string
	serve   func(*ext.Request)
	receive func(*ext.Message)
	gone    func(ext.Link, string)
}

const testNS = "urn:fieldhub:test"

func (x *served) Spaces() []string {
	if x.space == "" {
		return []string{testNS}
	}
	return []string{x.space}
}
func (x *served) Serve(r *ext.Request) {
	if x.serve != nil {
		x.serve(r)
	}
}
func (x *served) Receive(m *ext.Message) {
	if x.receive != nil {
		x.receive(m)
	}
}
func (x *served) Gone(l ext.Link, jid string) {
	if x.gone != nil {
		x.gone(l, jid)
	}
}

var question = []byte("<ask xmlns='" + testNS + "'/>")

// bodies are the tests that run against every server.
var bodies = []struct {
	name string
	run  func(*testing.T, xmpptest.Server)
}{
	{"RoundTrip", testRoundTrip},
	{"ResourceIsSent", testResourceIsSent},
	{"TextBeforePayload", testTextBeforePayload},
	{"StreamElementInsideStanza", testStreamElementInsideStanza},
	{"WrongRequests", testWrongRequests},
	{"ForgedAnswer", testForgedAnswer},
	{"AnswersOfOwnServer", testAnswersOfOwnServer},
	{"BlockedHandler", testBlockedHandler},
	{"PanickingHandler", testPanickingHandler},
	{"InOrderPerSender", testInOrderPerSender},
	{"LateAndSingleAnswer", testLateAndSingleAnswer},
	{"PendingWhenDropped", testPendingWhenDropped},
	{"ManyAtOnce", testManyAtOnce},
	{"RepeatedSets", testRepeatedSets},
	{"AnswerTooLarge", testAnswerTooLarge},
	{"Messages", testMessages},
	{"PresenceOfFriends", testPresenceOfFriends},
	{"PresenceWithdrawn", testPresenceWithdrawn},
	{"PeerGone", testPeerGone},
	{"WrongPassword", testWrongPassword},
	{"Standard", testStandard},
}

func TestProsody(t *testing.T) { runBodies(t, xmpptest.Prosody(t, xmpptest.Options{})) }

// TestEjabberd uses one server for all: it takes two seconds to start.
func TestEjabberd(t *testing.T) {
	srv := xmpptest.Ejabberd(t)
	runBodies(t, srv)
	t.Run("NoRegistration", func(t *testing.T) { fails(t, newcomer(t, srv, "newcomer"), NotCreated, "lets nobody register") })
	t.Run("DirectTLS", func(t *testing.T) {
		a := account(t, srv, "user")
		a.Server, a.TLS = srv.Direct(), DirectTLS
		s := online(t, a)
		if _, err := s.Ask(within(t, 5*time.Second), srv.Domain(), "get", []byte("<ping xmlns='urn:xmpp:ping'/>")); err != nil {
			t.Error(err)
		}
	})
	t.Run("Component", func(t *testing.T) { testComponent(t, srv, srv.Component()) })
	t.Run("Resumption", func(t *testing.T) { testResumption(t, srv, true, time.Millisecond) })
}

func runBodies(t *testing.T, srv xmpptest.Server) {
	for _, b := range bodies {
		t.Run(b.name, func(t *testing.T) { b.run(t, srv) })
	}
}

func testRoundTrip(t *testing.T, srv xmpptest.Server) {
	hub := online(t, account(t, srv, "hub"), xmpptest.NewEcho(1000))
	client := online(t, account(t, srv, "client"))
	e, err := client.Ask(within(t, 5*time.Second), hub.Self(), "get", xmpptest.EchoRequest())
	if err != nil {
		t.Fatal(err)
	}
	if e == nil || e.Name.Space != xmpptest.EchoNS || len(e.Text) < 900 {
		t.Errorf("got %+v", e)
	}
	if hub.Way() != nodes.WayBroker || !strings.HasPrefix(hub.Self(), "hub@"+srv.Domain()+"/test-") {
		t.Errorf("hub: way %s, address %s", hub.Way(), hub.Self())
	}
}
