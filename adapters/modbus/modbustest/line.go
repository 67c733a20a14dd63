package modbustest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Line is a simulated serial line with units on it, reached through a pseudo
// terminal as if that were a USB adapter. It has the timing of a real line: each
// character takes its time, an answer starts after a silence, and units hear only
// requests that came after a silence, without gaps, and at their baud rate. It is
// half duplex: what is sent while something else is on the line is lost. Safe for
// concurrent use.
type Line struct {
	Bus
	baud    int
	char    time.Duration // what a character takes
	silence time.Duration // between frames: t3.5
	changed chan struct{} // the port was plugged, or pulled
	strange chan []byte   // what Send puts on the line

	mu     sync.Mutex
	folder string
	master *os.File // nil: unplugged
	stats  LineStats
}

// LineStats is what happened on a line.
type LineStats struct {
	Requests int           // heard by the units: whole and in time
	Early    int           // came before the silence after the last frame was over
	Broken   int           // came with gaps, or with a wrong CRC
	Mismatch int           // came at another baud rate
	Busy     time.Duration // how long characters were on the line
	// Idle holds how long the line stood still beyond the needed silence before each
	// of the last 1000 requests: what whoever asks adds to an exchange.
	Idle []time.Duration
}

// bitsPerChar is a start bit, 8 data bits, parity or a second stop bit, a stop bit
// (MSL 2.5.1).
const bitsPerChar = 11

// NewLine makes a line with that baud rate; 0: without any timing, and at whatever
// rate the port is set to. It opens nothing.
func NewLine(baud int) *Line {
	l := &Line{baud: baud, changed: make(chan struct{}, 1), strange: make(chan []byte, 16)}
	l.out = l.put
	if baud > 0 {
		l.char = bitsPerChar * time.Second / time.Duration(baud)
		l.silence = l.char * 7 / 2
		if baud > 19200 {
			l.silence = 1750 * time.Microsecond // MSL 2.5.1.1
		}
	}
	return l
}

// Exchange returns the least time that a request and its answer, of these numbers
// of characters, take on the line, with the silence before each.
func (l *Line) Exchange(request, answer int) time.Duration {
	return 2*l.silence + time.Duration(request+answer)*l.char
}

// Open plugs the line in and returns the path under which it is found, that of a
// link which is the same after Unplug and Plug. Run, or Close without it, removes
// it.
func (l *Line) Open() (path string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.folder == "" {
		if l.folder, err = os.MkdirTemp("", "modbus-line-"); err != nil {
			return "", err
		}
	}
	return l.path(), l.plug()
}

func (l *Line) path() string { return filepath.Join(l.folder, "usb-Simulated_RS485-if00-port0") }

// Plug plugs the adapter in again: the link comes back, to another terminal if
// somebody holds on to the old one.
func (l *Line) Plug() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.folder == "" {
		return errors.New("modbustest: Open comes first")
	}
	return l.plug()
}

func (l *Line) plug() error {
	if l.master != nil {
		return nil
	}
	master, pts, err := openPTY()
	if err != nil {
		return err
	}
	os.Remove(l.path())
	if err := os.Symlink(pts, l.path()); err != nil {
		master.Close()
		return err
	}
	l.master = master
	l.wake()
	return nil
}

// Unplug pulls the adapter out: the link and the terminal vanish.
func (l *Line) Unplug() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.master == nil {
		return
	}
	os.Remove(l.path())
	l.master.Close()
	l.master = nil
	l.wake()
}

func (l *Line) wake() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// Close removes the terminal and the link.
func (l *Line) Close() {
	l.Unplug()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.folder != "" {
		os.RemoveAll(l.folder)
		l.folder = ""
	}
}

// put queues characters for the line; when many are waiting already they are
// dropped.
func (l *Line) put(b []byte) {
	select {
	case l.strange <- append([]byte(nil), b...):
	default:
	}
}

// Stats returns what happened so far.
func (l *Line) Stats() LineStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Idle = append([]time.Duration(nil), s.Idle...)
	return s
}

// ResetStats starts the statistics anew.
func (l *Line) ResetStats() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats = LineStats{}
}

func (l *Line) count(f func(*LineStats)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.stats)
}

func (l *Line) port() *os.File {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.master
}

// Run serves the line until ctx ends, closes it, and returns after all that it
// started. Open may come before or during it.
func (l *Line) Run(ctx context.Context) error {
	defer l.Close()
	for {
		if port := l.port(); port != nil {
			l.serve(ctx, port)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.changed:
		}
	}
}
