package xmpptest

import (
	"net"
	"testing"
	"time"
)

func TestEjabberd(t *testing.T) {
	e := Ejabberd(t)
	e.AddUser(t, "a", "b")
	e.AddUser(t, "a", "b")
	began := time.Now()
	e.Stop()
	if c, err := net.Dial("tcp", e.Addr()); err == nil {
		c.Close()
		t.Error("it listens after Stop")
	}
	e.Start(t)
	t.Logf("restart took %v", time.Since(began))
}
