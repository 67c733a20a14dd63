package gpiotest

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/fieldhub/hub/adapters/gpio/cdev"
)

// request is a line that somebody has.
type request struct {
	line   *line
	want   cdev.Request
	value  bool // of an output, logical
	seen   bool // of an input, logical: what was told last
	seq    uint32
	timer  *time.Timer // of debounce
	closed bool
	read   *os.File // edges, as the kernel's records
	write  *os.File
	events *cdev.Reader
}

func newRequest(l *line, r cdev.Request) (*request, error) {
	t := &request{line: l, want: r, value: r.Value}
	if r.Flags&(cdev.EdgeRising|cdev.EdgeFalling) == 0 {
		return t, nil
	}
	var err error
	if t.read, t.write, err = os.Pipe(); err != nil {
		return nil, err
	}
	t.events = cdev.NewReader(t.read)
	return t, nil
}

// moved tells of a new physical level; the chip is locked.
func (t *request) moved(high bool) {
	level := high != (t.want.Flags&cdev.ActiveLow != 0)
	if t.want.Debounce == 0 {
		t.tell(level)
		return
	}
	if t.timer != nil {
		t.timer.Stop()
	}
	at := cdev.Now()
	t.timer = time.AfterFunc(t.want.Debounce, func() {
		t.line.chip.mu.Lock()
		defer t.line.chip.mu.Unlock()
		if !t.closed && t.line.level() == high {
			t.tellAt(level, at+t.want.Debounce)
		}
	})
}

func (t *request) tell(level bool) { t.tellAt(level, cdev.Now()) }

func (t *request) tellAt(level bool, at time.Duration) {
	if level == t.seen {
		return
	}
	t.seen = level
	if edge := t.want.Flags & (cdev.EdgeRising | cdev.EdgeFalling); level && edge&cdev.EdgeRising != 0 || !level && edge&cdev.EdgeFalling != 0 {
		t.send(cdev.Event{Time: at, Rising: level, Offset: t.line.offset})
	}
}

// send numbers edges and writes those that fit into the queue; the chip is locked.
func (t *request) send(list ...cdev.Event) (dropped int) {
	if t.write == nil {
		return len(list)
	}
	conn, err := t.write.SyscallConn()
	if err != nil {
		return len(list)
	}
	buf := make([]byte, 0, cdev.EventSize*len(list))
	for _, e := range list {
		t.seq++
		e.LineSeq, e.Offset = t.seq, t.line.offset
		buf = cdev.AppendEvent(buf, e)
	}
	for len(buf) > 0 {
		piece := buf[:min(len(buf), 4080)] // whole records, which a pipe takes all or none of
		ok := false
		if err := conn.Write(func(fd uintptr) bool {
			n, err := syscall.Write(int(fd), piece)
			ok = err == nil && n == len(piece)
			return true
		}); err != nil || !ok {
			return dropped + len(buf)/cdev.EventSize
		}
		buf = buf[len(piece):]
	}
	return dropped
}

// use locks the chip for a call.
func (t *request) use() (unlock func(), err error) {
	t.line.chip.mu.Lock()
	switch {
	case t.closed:
		err = os.ErrClosed
	case t.line.taken != t:
		err = syscall.ENODEV
	}
	return t.line.chip.mu.Unlock, err
}

// Get implements [cdev.Line].
func (t *request) Get() (bool, error) {
	unlock, err := t.use()
	defer unlock()
	if err != nil {
		return false, err
	}
	if t.want.Debounce > 0 {
		return t.seen, nil
	}
	return t.line.level() != (t.want.Flags&cdev.ActiveLow != 0), nil
}

// Set implements [cdev.Line].
func (t *request) Set(on bool) error {
	unlock, err := t.use()
	defer unlock()
	switch {
	case err != nil:
		return err
	case t.want.Flags&cdev.Output == 0:
		return syscall.EPERM
	}
	t.value = on
	t.line.wrote(false)
	return nil
}

// Read implements [cdev.Line].
func (t *request) Read(list []cdev.Event) (int, error) {
	if t.read == nil {
		return 0, syscall.EINVAL
	}
	n, err := t.events.Read(list)
	if errors.Is(err, io.EOF) {
		err = syscall.ENODEV
	}
	return n, err
}

// Close implements [cdev.Line].
func (t *request) Close() error {
	t.line.chip.mu.Lock()
	defer t.line.chip.mu.Unlock()
	if t.closed {
		return os.ErrClosed
	}
	t.closed = true
	if t.line.taken == t {
		t.line.taken = nil
	}
	if t.timer != nil {
		t.timer.Stop()
	}
	if t.read != nil {
		t.read.Close()
	}
	t.hangUp()
	return nil
}

// hangUp ends the edges; the chip is locked.
func (t *request) hangUp() {
	if t.write != nil {
		t.write.Close()
		t.write = nil
	}
}
