package gpiotest_test

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/adapters/gpio/gpiotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const bothEdges = cdev.Input | cdev.EdgeRising | cdev.EdgeFalling

func open(t *testing.T, b *gpiotest.Board, c *gpiotest.Chip) cdev.Chip {
	t.Helper()
	h, err := b.Open(c.Path())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func request(t *testing.T, h cdev.Chip, r cdev.Request) cdev.Line {
	t.Helper()
	l, err := h.Request(r)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The board refuses what the kernel refuses, with the same errors.
func TestRefused(t *testing.T) {
	b := gpiotest.NewBoard()
	c := b.Add("sim", 4)
	c.Occupy(0, "led")
	c.NoBias(1)
	c.NoInterrupt(2)
	h := open(t, b, c)
	defer h.Close()
	for _, tt := range []struct {
		name string
		r    cdev.Request
		want error
	}{
		{"in use", cdev.Request{Offset: 0, Flags: cdev.Input}, syscall.EBUSY},
		{"bias", cdev.Request{Offset: 1, Flags: cdev.Input | cdev.BiasPullUp}, syscall.EINVAL},
		{"edges", cdev.Request{Offset: 2, Flags: bothEdges}, syscall.ENXIO},
		{"beyond", cdev.Request{Offset: 4, Flags: cdev.Input}, syscall.EINVAL},
	} {
		if _, err := h.Request(tt.r); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := b.Open("/dev/gpiochip9"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no chip: %v", err)
	}
	b.Deny(c, true)
	if _, err := b.Open(c.Path()); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("denied: %v", err)
	}
}

func TestEdges(t *testing.T) {
	b := gpiotest.NewBoard()
	c := b.Add("sim", 2)
	h := open(t, b, c)
	defer h.Close()
	l := request(t, h, cdev.Request{Offset: 1, Flags: bothEdges | cdev.ActiveLow, Consumer: "me"})
	if _, err := h.Request(cdev.Request{Offset: 1, Flags: cdev.Input}); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("twice: %v", err)
	}
	c.Drive(1, true)
	c.Drive(1, true) // no edge
	c.Drive(1, false)
	var got []cdev.Event
	for list := make([]cdev.Event, 4); len(got) < 2; {
		n, err := l.Read(list)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, list[:n]...)
	}
	if len(got) != 2 || got[0].Rising || !got[1].Rising || got[0].LineSeq != 1 || got[1].LineSeq != 2 || got[1].Time < got[0].Time || got[0].Offset != 1 {
		t.Errorf("got %+v", got)
	}
	if info, err := h.Line(1); err != nil || info.Consumer != "me" || info.Flags&cdev.ActiveLow == 0 {
		t.Errorf("%+v, %v", info, err)
	}
	ended := make(chan error, 1)
	go func() { _, err := l.Read(make([]cdev.Event, 1)); ended <- err }()
	time.Sleep(10 * time.Millisecond)
	l.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("reading a line that was closed: %v", err)
	}
}

func TestPulled(t *testing.T) {
	b := gpiotest.NewBoard()
	c := b.Add("sim", 1)
	h := open(t, b, c)
	l := request(t, h, cdev.Request{Flags: bothEdges})
	b.Pull(c)
	if _, err := l.Read(make([]cdev.Event, 1)); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("edges: %v", err)
	}
	if _, err := l.Get(); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("the level: %v", err)
	}
	b.Plug(c)
	if _, err := h.Info(); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("a handle from before: %v", err)
	}
	l.Close()
	h.Close()
	if n := c.Opened(); n != 0 {
		t.Errorf("%d handles are open", n)
	}
	h = open(t, b, c)
	defer h.Close()
	if _, err := h.Info(); err != nil {
		t.Error(err)
	}
}
