package xmppface

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// TestComponent: as a component the hub serves the same namespaces, at its own address
// and at that of its domain, and its presence is seen by those with access.
func TestComponent(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{})
	testComponent(t, srv, srv.Component())
}

func testComponent(t *testing.T, srv xmpptest.Server, addr string) {
	received := make(chan *ext.Message, 10)
	a := Account{JID: xmpptest.ComponentDomain, Password: xmpptest.ComponentSecret, Component: true, Server: addr,
		KeepAlive: 50 * time.Millisecond, Resource: "test", Timeout: 10 * time.Second, Log: quiet(t),
		Welcome: func(who nodes.Caller) bool { return strings.HasPrefix(who.JID, "friend@") }}
	hub := online(t, a, append(Extensions(Program{Name: "n"}, Backends{}), xmpptest.NewEcho(500),
		&served{receive: func(m *ext.Message) { received <- m }})...)
	b := account(t, srv, "friend")
	b.Welcome = func(nodes.Caller) bool { return true }
	friend := online(t, b, xmpptest.NewEcho(50))
	ctx := within(t, 10*time.Second)
	full, err := friend.WaitAvailable(ctx, a.JID)
	if err != nil || len(full) != 1 || full[0] != hub.Self() || !strings.HasPrefix(full[0], a.JID+"/test-") {
		t.Fatalf("it is online as %v, %v; want %s", full, err, hub.Self())
	}
	isAlive(t, friend, hub)
	if _, err := friend.Ask(ctx, a.JID, "get", []byte("<query xmlns='http://jabber.org/protocol/disco#info'/>")); err != nil {
		t.Errorf("its domain: %v", err)
	}
	if _, err := friend.Ask(ctx, "nobody@"+a.JID, "get", xmpptest.EchoRequest()); err == nil || !strings.Contains(err.Error(), "item-not-found") {
		t.Errorf("another address: %v", err)
	}
	if err := friend.Tell(ctx, hub.Self(), question); err != nil {
		t.Fatal(err)
	}
	if m := <-received; m.From != friend.Self() {
		t.Errorf("a message from %s", m.From)
	}
	if full, err := hub.WaitAvailable(ctx, b.JID); err != nil || full[0] != friend.Self() {
		t.Errorf("the friend is online as %v, %v", full, err)
	}
	isAlive(t, hub, friend)
	stranger := online(t, account(t, srv, "stranger"))
	if _, err := stranger.WaitAvailable(within(t, 300*time.Millisecond), a.JID); err == nil {
		t.Error("a stranger sees its presence")
	}
	time.Sleep(200 * time.Millisecond) // several signs of life
	isAlive(t, friend, hub)

	bad := a
	bad.Password = "other"
	fails(t, bad, WrongPassword, "secret")
	bad = a
	bad.JID = "friend@localhost"
	fails(t, bad, Misconfigured, "domain")
	bad = a
	bad.Server = ""
	fails(t, bad, Misconfigured, "host:port")
}

// TestComponentAbroad: the secret's proof and all else are not shown to the network.
func TestComponentAbroad(t *testing.T) {
	a := Account{Server: "192.0.2.1:5347", Component: true}
	far := abroad{to: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5347}}
	if err := guarded(&a, far); err == nil {
		t.Error("in the clear")
	}
	a.TLS = DirectTLS
	if err := guarded(&a, far); err != nil {
		t.Error(err)
	}
	a.TLS = AnyTLS
	if err := guarded(&a, abroad{to: &net.TCPAddr{IP: net.IPv6loopback}}); err != nil {
		t.Error(err)
	}
}

type abroad struct {
	net.Conn
	to net.Addr
}

func (a abroad) RemoteAddr() net.Addr { return a.to }
