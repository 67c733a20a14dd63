package modbustest

import (
	"context"
	"io"
	"log"
	"testing"
	"time"

	vetter "github.com/simonvetter/modbus"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// A master that is not ours gets along with the simulated devices, so that these
// and the adapter cannot be wrong in the same way.
func TestForeignMaster(t *testing.T) {
	for _, tt := range []struct {
		name string
		bus  func(t *testing.T) (b *Bus, url string)
	}{
		{"serial line", func(t *testing.T) (*Bus, string) {
			l := NewLine(115200)
			return &l.Bus, "rtu://" + run(t, l)
		}},
		{"tcp", func(t *testing.T) (*Bus, string) {
			s := NewServer()
			return &s.Bus, "tcp://" + serve(t, s)
		}},
		{"rtu over tcp", func(t *testing.T) (*Bus, string) {
			s := NewRTUServer()
			return &s.Bus, "rtuovertcp://" + serve(t, s)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, url := tt.bus(t)
			u := b.Unit(3)
			u.SetWords(wire.InputRegister, 0, make([]uint16, 125)...)
			u.SetWords(wire.InputRegister, 124, 0xcafe)
			c, err := vetter.NewClient(&vetter.ClientConfiguration{URL: url, Speed: 115200, Timeout: 5 * time.Second,
				Logger: log.New(io.Discard, "", 0)})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Open(); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetUnitId(3)
			if got, err := c.ReadRegisters(0, 125, vetter.INPUT_REGISTER); err != nil || got[124] != 0xcafe {
				t.Errorf("registers: got %v, %v", got, err)
			}
			if err := c.WriteRegisters(7, []uint16{1, 2, 3}); err != nil {
				t.Error(err)
			}
			if err := c.WriteRegister(8, 22); err != nil {
				t.Error(err)
			}
			if got, err := c.ReadRegisters(7, 3, vetter.HOLDING_REGISTER); err != nil || got[0] != 1 || got[1] != 22 || got[2] != 3 {
				t.Errorf("registers written: got %v, %v", got, err)
			}
			if err := c.WriteCoils(0, []bool{true, false, true}); err != nil {
				t.Error(err)
			}
			if err := c.WriteCoil(1, true); err != nil {
				t.Error(err)
			}
			if got, err := c.ReadCoils(0, 4); err != nil || !got[0] || !got[1] || !got[2] || got[3] {
				t.Errorf("coils written: got %v, %v", got, err)
			}
			u.RefuseHoles(true)
			if _, err := c.ReadRegisters(200, 1, vetter.HOLDING_REGISTER); err != vetter.ErrIllegalDataAddress {
				t.Errorf("a hole: got %v", err)
			}
			if got := len(u.Writes()); got != 4 {
				t.Errorf("%d writes, want 4", got)
			}
		})
	}
}

// serve runs a server until the test ends and returns host:port.
func serve(t *testing.T, s *Server) string {
	t.Helper()
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return s.Addr()
}

func TestLimitConnections(t *testing.T) {
	s := NewServer()
	s.Unit(1)
	s.LimitConnections(1)
	url := "tcp://" + serve(t, s)
	client := func() *vetter.ModbusClient {
		c, err := vetter.NewClient(&vetter.ClientConfiguration{URL: url, Timeout: 5 * time.Second, Logger: log.New(io.Discard, "", 0)})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Open(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := client()
	defer first.Close()
	if _, err := first.ReadCoil(0); err != nil {
		t.Error(err)
	}
	second := client()
	defer second.Close()
	if _, err := second.ReadCoil(0); err == nil {
		t.Error("a second connection was served")
	}
	if _, err := first.ReadCoil(0); err != nil {
		t.Errorf("the first, afterwards: %v", err)
	}
}
