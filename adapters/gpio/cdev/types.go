package cdev

import "time"

// System is where chips are found.
type System interface {
	// Paths returns the paths of the chips that are there, in the order of their
	// numbers; two may lead to the same chip.
	Paths() ([]string, error)
	// Open opens a chip. The caller closes it. The error wraps that of the system:
	// fs.ErrNotExist, fs.ErrPermission.
	Open(path string) (Chip, error)
}

// Chip is an open chip. Safe for concurrent use. When the chip is pulled, all calls
// fail with ENODEV; it must be closed then, or it comes back under another number.
type Chip interface {
	Info() (ChipInfo, error)
	// Line describes a line, whoever uses it.
	Line(offset int) (LineInfo, error)
	// Request takes a line, which belongs to nobody else until it is closed. Among the
	// errors are EBUSY (in use), EINVAL (the line cannot do that) and ENXIO (it has no
	// interrupt, so that neither edges nor debounce can be asked for).
	Request(Request) (Line, error)
	// Close closes the chip. Lines that were requested stay open.
	Close() error
}

// Line is a line that was requested. Safe for concurrent use.
type Line interface {
	// Get returns the logical value: false when an active-low line is high. Of an
	// output it is what the driver sees of it.
	Get() (bool, error)
	// Set sets the logical value of an output.
	Set(bool) error
	// Read waits for edges and returns how many it wrote to the list. It ends with
	// os.ErrClosed when the line is closed. One goroutine at a time.
	Read([]Event) (int, error)
	// Close gives the line back. What an output shows afterwards is up to the
	// hardware; most keep it.
	Close() error
}

// ChipInfo describes a chip.
type ChipInfo struct {
	Name  string // of the kernel: gpiochip0
	Label string // of the driver: pinctrl-bcm2711
	Lines int    // their count
}

// LineInfo describes a line.
type LineInfo struct {
	Offset   int
	Name     string // may be empty
	Consumer string // who uses it; may be empty
	Flags    Flags
	Debounce time.Duration
}

// Flags are properties of a line.
type Flags uint64

// The flags, of enum gpio_v2_line_flag.
const (
	Used Flags = 1 << iota // by the kernel or by a program
	ActiveLow
	Input
	Output
	EdgeRising
	EdgeFalling
	OpenDrain
	OpenSource
	BiasPullUp
	BiasPullDown
	BiasDisabled
	EventClockRealtime
)

// Request is a wish for a line.
type Request struct {
	Offset   int
	Consumer string        // who asks, for others; cut to 31 bytes
	Flags    Flags         // direction, and what goes with it
	Debounce time.Duration // of an input; whole microseconds
	Value    bool          // of an output, logical: what it shows from the first moment on
	Buffer   int           // edges that the kernel keeps; 0: 16, at most 1024
}

// Event is an edge of the logical value.
type Event struct {
	Time    time.Duration // on the clock of [Now]
	Rising  bool
	Offset  int
	LineSeq uint32 // counts the edges of the line from 1 on; a gap shows that some were lost
}
