package cdev

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kernel is the system of this machine.
type Kernel struct {
	Dir string // where the chips are; empty: /dev
}

// Now is the clock of edges: CLOCK_MONOTONIC, which stands while the machine sleeps
// and which no change of the time of day moves.
func Now() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0 // cannot be
	}
	return time.Duration(ts.Nano())
}

// Paths implements [System].
func (k Kernel) Paths() ([]string, error) {
	list, err := filepath.Glob(filepath.Join(cmp.Or(k.Dir, "/dev"), "gpiochip*"))
	number := func(path string) int {
		n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(path), "gpiochip"))
		if err != nil {
			return 1 << 30
		}
		return n
	}
	slices.SortStableFunc(list, func(a, b string) int { return cmp.Compare(number(a), number(b)) })
	return list, err
}

// Open implements [System].
func (Kernel) Open(path string) (Chip, error) {
	// Nothing else is opened: to open a watchdog, say, starts it.
	if real, err := filepath.EvalSymlinks(path); err != nil {
		return nil, err
	} else if !strings.HasPrefix(filepath.Base(real), "gpiochip") {
		return nil, fmt.Errorf("%s is no GPIO chip", path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	c := &kernelChip{f}
	if _, err := c.Info(); err != nil {
		f.Close()
		return nil, err
	}
	return c, nil
}

type kernelChip struct{ f *os.File }

// control calls ioctl(2) while the descriptor cannot be closed.
func control(f *os.File, request uint, arg unsafe.Pointer) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno unix.Errno
	err = conn.Control(func(fd uintptr) {
		for {
			_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(arg))
			if errno != unix.EINTR {
				return
			}
		}
	})
	switch {
	case err != nil:
		return err
	case errno == unix.ENOTTY:
		return fmt.Errorf("%s is no GPIO chip, or its kernel is older than 5.10: %w", f.Name(), errno)
	case errno != 0:
		return errno
	}
	return nil
}

func (c *kernelChip) Info() (ChipInfo, error) {
	var b [chipInfoSize]byte
	err := control(c.f, getChipInfo, unsafe.Pointer(&b))
	return decodeChipInfo(&b), err
}

func (c *kernelChip) Line(offset int) (LineInfo, error) {
	b := encodeLineInfo(offset)
	err := control(c.f, getLineInfo, unsafe.Pointer(&b))
	return decodeLineInfo(&b), err
}

func (c *kernelChip) Request(r Request) (Line, error) {
	b, err := encodeRequest(r)
	if err != nil {
		return nil, err
	}
	if err := control(c.f, getLine, unsafe.Pointer(&b)); err != nil {
		return nil, err
	}
	fd := requestFD(&b)
	if err := unix.SetNonblock(fd, true); err != nil { // so that closing ends a read
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), fmt.Sprintf("%s line %d", c.f.Name(), r.Offset))
	return &kernelLine{f, NewReader(f)}, nil
}

func (c *kernelChip) Close() error { return c.f.Close() }

type kernelLine struct {
	f      *os.File
	events *Reader
}

// values is struct gpio_v2_line_values: bits and mask.
type values [2]uint64

func (l *kernelLine) Get() (bool, error) {
	v := values{0, 1}
	err := control(l.f, getValues, unsafe.Pointer(&v))
	return v[0]&1 != 0, err
}

func (l *kernelLine) Set(on bool) error {
	v := values{0, 1}
	if on {
		v[0] = 1
	}
	return control(l.f, setValues, unsafe.Pointer(&v))
}

func (l *kernelLine) Read(list []Event) (int, error) { return l.events.Read(list) }
func (l *kernelLine) Close() error                   { return l.f.Close() }
