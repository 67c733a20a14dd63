package xmpptest

import (
	"net"
	"testing"
	"time"
)

func TestProsody(t *testing.T) {
	p := Prosody(t, Options{})
	p.AddUser(t, "a", "b")
	began := time.Now()
	p.Stop()
	if c, err := net.Dial("tcp", p.Addr()); err == nil {
		c.Close()
		t.Error("it listens after Stop")
	}
	p.Start(t)
	t.Logf("restart took %v", time.Since(began))
}
