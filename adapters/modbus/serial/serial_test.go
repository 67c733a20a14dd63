package serial_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/serial"
)

var usual = serial.Settings{Baud: 19200, DataBits: 8, Parity: serial.Even, StopBits: 1}

func cable(t *testing.T) (c *modbustest.Cable, a, b string) {
	t.Helper()
	x, a, b, err := modbustest.NewCable()
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); x.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return x, a, b
}

func open(t *testing.T, path string, s serial.Settings) *os.File {
	t.Helper()
	f, err := serial.Open(path, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// All bytes pass as they are, in both directions, and deadlines hold.
func TestBytes(t *testing.T) {
	_, a, b := cable(t)
	one := open(t, a, usual)
	odd := usual
	odd.Baud, odd.Parity, odd.StopBits = 12345, serial.Odd, 2 // a rate that no table has
	two := open(t, b, odd)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, x := range []struct{ from, to *os.File }{{one, two}, {two, one}} {
		if _, err := x.from.Write(all); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(all))
		x.to.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadFull(x.to, got); err != nil || !bytes.Equal(got, all) {
			t.Errorf("got % x, %v", got, err)
		}
	}
	one.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	began := time.Now()
	if _, err := one.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > time.Second {
		t.Errorf("read of nothing: %v after %v", err, time.Since(began))
	}
}

func TestErrors(t *testing.T) {
	_, a, _ := cable(t)
	open(t, a, usual)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, path, want string }{
		{"in use", a, "in use by another program"},
		{"missing", "/dev/serial/by-id/none", "there is no serial port /dev/serial/by-id/none"},
		{"a file", file, "is no serial port"},
	} {
		f, err := serial.Open(tt.path, usual)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if f != nil {
			f.Close()
		}
	}
	rts := usual
	rts.RS485.On = true
	_, c, _ := cable(t)
	if _, err := serial.Open(c, rts); err == nil || !strings.Contains(err.Error(), "RS-485") {
		t.Errorf("RS-485 on a port that has none: %v", err)
	}
}

// A pulled adapter ends reading at once, and the same path can be opened again.
func TestPulled(t *testing.T) {
	c, a, _ := cable(t)
	f := open(t, a, usual)
	done := make(chan error, 1)
	go func() {
		_, err := f.Read(make([]byte, 1))
		done <- err
	}()
	time.Sleep(10 * time.Millisecond)
	c.Close()
	select {
	case err := <-done:
		if err == nil {
			t.Error("read went well")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("still reading")
	}
}

func TestTimes(t *testing.T) {
	for _, tt := range []struct {
		s         serial.Settings
		text      string
		character time.Duration
		silence   time.Duration
	}{
		{usual, "19200 baud 8E1", 572916, 2005208},
		{serial.Settings{Baud: 9600, DataBits: 8, StopBits: 1}, "9600 baud 8N1", 1041666, 3645833},
		{serial.Settings{Baud: 115200, DataBits: 8, StopBits: 2, RS485: serial.RS485{On: true}}, "115200 baud 8N2 RS-485", 95486, 1750000},
	} {
		if got := tt.s.String(); got != tt.text {
			t.Errorf("got %s, want %s", got, tt.text)
		}
		if got := tt.s.Characters(1); got != tt.character {
			t.Errorf("%s: a character takes %d, want %d", tt.text, got, tt.character)
		}
		if got := tt.s.Silence(); got != tt.silence {
			t.Errorf("%s: silence of %d, want %d", tt.text, got, tt.silence)
		}
	}
}

func TestSleep(t *testing.T) {
	for _, d := range []time.Duration{-1, 0, time.Millisecond} {
		began := time.Now()
		serial.Sleep(d)
		if took := time.Since(began); took < d {
			t.Errorf("slept %v, want %v", took, d)
		}
	}
}
