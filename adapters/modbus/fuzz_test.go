package modbus

import (
	"bytes"
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// pair returns a connection and its other end.
func pair(t testing.TB) (near, far *os.File) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far = os.NewFile(uintptr(fds[0]), "near"), os.NewFile(uintptr(fds[1]), "far")
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// answers sends bytes when a request has come, and closes.
func answers(far *os.File, b []byte) {
	if n, err := far.Read(make([]byte, wire.MaxADU)); n > 0 && err == nil {
		far.Write(b) // what does not arrive is no answer
	}
	far.Close()
}

// Whatever a peer sends, the line neither panics nor takes anything else for the
// answer than a whole frame with our transaction, unit and function.
func FuzzAnswer(f *testing.F) {
	good := wire.ADU{Transaction: 1, Unit: 1, Function: 3, Data: []byte{4, 1, 2, 3, 4}}
	f.Add(good.Append(nil))
	late := good
	late.Transaction = 0
	f.Add(good.Append(late.Append(nil)))
	short := good
	short.Data = []byte{2, 1, 2}
	f.Add(short.Append(nil))
	f.Add(wire.ADU{Transaction: 1, Unit: 1, Function: 0x83, Data: []byte{2}}.Append(nil))
	f.Add(wire.ADU{Transaction: 1, Unit: 1, Function: 0x83}.Append(nil))
	f.Add([]byte{0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		near, far := pair(t)
		k := &tcpLink{redial: redial{addr: "fuzz", pause: pause{time.Hour, time.Hour}}, heard: time.Now(), buf: make([]byte, 0, 2*wire.MaxADU)}
		if err := k.stream.open(near); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { defer close(done); answers(far, stream) }()
		defer func() { k.close(); <-done }()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		c := &call{ctx: ctx, timeout: time.Hour, unit: 1}
		err := newLine(networkEndpoint(kindTCP, "fuzz", 1), k).read(c, wire.ReadRequest{Table: wire.HoldingRegister, First: 0, Count: 2})
		if err != nil {
			return
		}
		want := wire.ADU{Transaction: 1, Unit: 1, Function: 3, Data: append([]byte{4}, c.data...)}.Append(nil)
		if len(c.data) != 4 || !bytes.Contains(stream, want) {
			t.Fatalf("took % x for the answer; the peer sent % x", c.data, stream)
		}
	})
}
