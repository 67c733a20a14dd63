package gpiotest

import (
	"sync"
	"syscall"
	"time"

	"github.com/fieldhub/hub/adapters/gpio/cdev"
)

// Chip is a simulated chip. Safe for concurrent use.
type Chip struct {
	info cdev.ChipInfo

	mu     sync.Mutex
	gone   *bool // of this time that it is plugged in: whether it was pulled
	opened int   // handles that are open
	lines  []*line
}

// line is a line of a chip, guarded by the chip's lock.
type line struct {
	chip     *Chip
	offset   int
	name     string
	kernel   string // who of the kernel uses it; empty: nobody
	noIRQ    bool
	noBias   bool
	stuck    bool
	stuckAt  bool
	driven   bool // from outside
	outside  bool // to what
	writes   []Write
	requests int
	taken    *request // who has it; nil: nobody
}

// Write is what an output was set to.
type Write struct {
	Time  time.Time
	Level bool // physical: high
	First bool // by the request itself
}

// Path returns the path of the chip.
func (c *Chip) Path() string { return "/dev/" + c.info.Name }

func (c *Chip) at(offset int) (*line, func()) {
	c.mu.Lock()
	return c.lines[offset], c.mu.Unlock
}

// Name names lines from an offset on.
func (c *Chip) Name(offset int, names ...string) {
	for i, name := range names {
		l, unlock := c.at(offset + i)
		l.name = name
		unlock()
	}
}

// Occupy has the kernel use a line, under that name; the empty one gives it back.
func (c *Chip) Occupy(offset int, consumer string) {
	l, unlock := c.at(offset)
	defer unlock()
	l.kernel = consumer
}

// NoInterrupt takes the interrupt of a line away: edges and debounce are refused.
func (c *Chip) NoInterrupt(offset int) {
	l, unlock := c.at(offset)
	defer unlock()
	l.noIRQ = true
}

// NoBias has a line refuse to be biased.
func (c *Chip) NoBias(offset int) {
	l, unlock := c.at(offset)
	defer unlock()
	l.noBias = true
}

// Stick holds the level of a line, whatever drives it, as a short circuit does.
func (c *Chip) Stick(offset int, high bool) {
	l, unlock := c.at(offset)
	defer unlock()
	l.change(func() { l.stuck, l.stuckAt = true, high })
}

// Free ends what Stick began.
func (c *Chip) Free(offset int) {
	l, unlock := c.at(offset)
	defer unlock()
	l.change(func() { l.stuck = false })
}

// Drive drives a line from outside.
func (c *Chip) Drive(offset int, high bool) {
	l, unlock := c.at(offset)
	defer unlock()
	l.change(func() { l.driven, l.outside = true, high })
}

// Float stops driving a line, so that its bias counts.
func (c *Chip) Float(offset int) {
	l, unlock := c.at(offset)
	defer unlock()
	l.change(func() { l.driven = false })
}

// Level returns the physical level of a line.
func (c *Chip) Level(offset int) bool {
	l, unlock := c.at(offset)
	defer unlock()
	return l.level()
}

// Consumer returns who has requested a line; empty when nobody has.
func (c *Chip) Consumer(offset int) string {
	l, unlock := c.at(offset)
	defer unlock()
	if l.taken == nil {
		return ""
	}
	return l.taken.want.Consumer
}

// Requests returns how often a line was requested.
func (c *Chip) Requests(offset int) int {
	l, unlock := c.at(offset)
	defer unlock()
	return l.requests
}

// Opened returns how often the chip is open.
func (c *Chip) Opened() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opened
}

// Writes returns what an output was set to, the last 1000.
func (c *Chip) Writes(offset int) []Write {
	l, unlock := c.at(offset)
	defer unlock()
	return append([]Write(nil), l.writes...)
}

// Feed writes edges of a line as they come, in one piece, whatever its level. lost
// edges before them are counted by the kernel, but were dropped. What does not fit
// into the queue is dropped as well, and its number returned.
func (c *Chip) Feed(offset, lost int, edges ...cdev.Event) (dropped int) {
	l, unlock := c.at(offset)
	defer unlock()
	if l.taken == nil {
		return len(edges)
	}
	l.taken.seq += uint32(lost)
	return l.taken.send(edges...)
}

// level is the physical level; the chip is locked.
func (l *line) level() bool {
	if l.stuck {
		return l.stuckAt
	}
	t := l.taken
	if t == nil {
		return l.driven && l.outside
	}
	f := t.want.Flags
	if f&cdev.Output != 0 {
		high := t.value != (f&cdev.ActiveLow != 0)
		switch {
		case f&cdev.OpenDrain != 0 && high, f&cdev.OpenSource != 0 && !high: // not driven
		default:
			return high
		}
	}
	if l.driven {
		return l.outside
	}
	return f&cdev.BiasPullUp != 0
}

// change changes what drives the line, and tells of the edge; the chip is locked.
func (l *line) change(f func()) {
	before := l.level()
	f()
	if after := l.level(); after != before && l.taken != nil {
		l.taken.moved(after)
	}
}

// handle is an open chip.
type handle struct {
	chip   *Chip
	gone   *bool
	closed bool
}

func (h *handle) use() (unlock func(), err error) {
	h.chip.mu.Lock()
	switch {
	case h.closed:
		err = syscall.EBADF
	case *h.gone:
		err = syscall.ENODEV
	}
	return h.chip.mu.Unlock, err
}

// Info implements [cdev.Chip].
func (h *handle) Info() (cdev.ChipInfo, error) {
	unlock, err := h.use()
	defer unlock()
	return h.chip.info, err
}

// Line implements [cdev.Chip].
func (h *handle) Line(offset int) (cdev.LineInfo, error) {
	unlock, err := h.use()
	defer unlock()
	if err != nil || offset < 0 || offset >= len(h.chip.lines) {
		if err == nil {
			err = syscall.EINVAL
		}
		return cdev.LineInfo{}, err
	}
	l := h.chip.lines[offset]
	info := cdev.LineInfo{Offset: offset, Name: l.name, Consumer: l.kernel}
	if l.kernel != "" {
		info.Flags = cdev.Used
	}
	if l.taken != nil {
		info.Flags, info.Consumer, info.Debounce = cdev.Used|l.taken.want.Flags, l.taken.want.Consumer, l.taken.want.Debounce
	}
	return info, nil
}

// Request implements [cdev.Chip].
func (h *handle) Request(r cdev.Request) (cdev.Line, error) {
	unlock, err := h.use()
	defer unlock()
	const edges, bias = cdev.EdgeRising | cdev.EdgeFalling, cdev.BiasPullUp | cdev.BiasPullDown | cdev.BiasDisabled
	switch {
	case err != nil:
		return nil, err
	case r.Offset < 0 || r.Offset >= len(h.chip.lines):
		return nil, syscall.EINVAL
	}
	l := h.chip.lines[r.Offset]
	switch {
	case l.taken != nil || l.kernel != "":
		return nil, syscall.EBUSY
	case l.noBias && r.Flags&bias != 0:
		return nil, syscall.EINVAL
	case l.noIRQ && (r.Flags&edges != 0 || r.Debounce > 0):
		return nil, syscall.ENXIO
	}
	t, err := newRequest(l, r)
	if err != nil {
		return nil, err
	}
	l.requests++
	l.taken = t
	t.seen = l.level() != (r.Flags&cdev.ActiveLow != 0)
	if r.Flags&cdev.Output != 0 {
		l.wrote(true)
	}
	return t, nil
}

// wrote remembers what an output was set to; the chip is locked.
func (l *line) wrote(first bool) {
	if len(l.writes) >= 1000 {
		l.writes = l.writes[1:]
	}
	t := l.taken
	l.writes = append(l.writes, Write{time.Now(), t.value != (t.want.Flags&cdev.ActiveLow != 0), first})
}

// Close implements [cdev.Chip].
func (h *handle) Close() error {
	h.chip.mu.Lock()
	defer h.chip.mu.Unlock()
	if h.closed {
		return syscall.EBADF
	}
	h.closed = true
	h.chip.opened--
	return nil
}
