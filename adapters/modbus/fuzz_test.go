package modbus

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// canned is a connection on which the peer sends what it is told, and then
// closes.
type canned struct {
	net.Conn
	in io.Reader
}

func (c *canned) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c *canned) Write(b []byte) (int, error) { return len(b), nil }
func (c *canned) Close() error                { return nil }
func (c *canned) SetDeadline(time.Time) error { return nil }

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
		k := &tcpLink{redial: redial{addr: "fuzz", pause: pause{time.Hour, time.Hour}}}
		k.conn = &canned{in: bytes.NewReader(stream)}
		k.in = bufio.NewReaderSize(k.conn, 2*wire.MaxADU)
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
