package server

import (
	"context"
	"net"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAllowed(t *testing.T) {
	rights, err := ParseRights("* read public/#\nmeter both plant/%u/+\n\nadmin both #\nlog write log")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		user, topic string
		publish     bool
		want        bool
	}{
		{"x", "public", false, true}, {"x", "public/a/b", false, true}, {"x", "public/a", true, false}, {"x", "#", false, false}, {"x", "+/a", false, false},
		{"x", "public/#", false, true}, {"meter", "plant/meter/a", true, true}, {"meter", "plant/other/a", true, false}, {"meter", "plant/meter/#", false, false},
		{"meter", "plant/meter/+", false, true}, {"meter", "plant/meter", true, false}, {"admin", "#", false, true}, {"admin", "$SYS/x", false, false},
		{"log", "log", true, true}, {"log", "log", false, false}, {"+", "plant/x/y", true, false}, {"a/b", "public/a", false, false},
	} {
		if got := Allowed(rights, tt.user, tt.topic, tt.publish); got != tt.want {
			t.Errorf("%s, %s, publish %v: got %v", tt.user, tt.topic, tt.publish, got)
		}
	}
	for _, bad := range []string{"a", "a b c", "a read x/#/y", "a read x+"} {
		if _, err := ParseRights(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestAccounts(t *testing.T) {
	a, err := ParseAccounts("joe:se:cret\n\n ann:x \n")
	if err != nil || len(a) != 2 {
		t.Fatal(a, err)
	}
	for _, tt := range []struct {
		user, password string
		want           bool
	}{{"joe", "se:cret", true}, {"joe", "x", false}, {"ann", "x", true}, {"bob", "", false}, {"", "", false}} {
		if got := a.Check(tt.user, tt.password); got != tt.want {
			t.Errorf("%s, %s: got %v", tt.user, tt.password, got)
		}
	}
	for _, bad := range []string{"joe", ":x", "joe:", "joe:a\njoe:b"} {
		if _, err := ParseAccounts(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func run(t *testing.T, o Options) (*Server, string) {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

func connect(t *testing.T, addr, id string) paho.Client {
	t.Helper()
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + addr).SetClientID(id).SetAutoReconnect(false))
	if token := c.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	t.Cleanup(func() { c.Disconnect(50) })
	return c
}

// Retained messages are bounded, and those who are connected are known.
func TestServer(t *testing.T) {
	s, addr := run(t, Options{MaxRetained: 2})
	c := connect(t, addr, "one")
	for _, topic := range []string{"a", "b", "c"} {
		if token := c.Publish(topic, 1, true, "x"); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	if n := s.Counts(); n.Retained != 2 || n.Clients != 1 {
		t.Errorf("got %+v", n)
	}
	if list := s.Clients(); len(list) != 1 || list[0].ID != "one" {
		t.Errorf("got %v", list)
	}
}

// It ends at once, with connections that say nothing.
func TestEnd(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l) }()
	for range 5 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("it does not end")
	}
}
