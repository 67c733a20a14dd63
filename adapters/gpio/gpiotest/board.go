package gpiotest

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/fieldhub/hub/adapters/gpio/cdev"
)

// Board is a [cdev.System] in memory. Safe for concurrent use.
type Board struct {
	mu     sync.Mutex
	next   int
	chips  []*Chip // that are plugged in
	denied map[string]bool
}

// NewBoard makes a board without chips.
func NewBoard() *Board { return &Board{denied: make(map[string]bool)} }

// Add plugs in a new chip, as the next number.
func (b *Board) Add(label string, lines int) *Chip {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &Chip{gone: new(bool), info: cdev.ChipInfo{Name: fmt.Sprintf("gpiochip%d", b.next), Label: label, Lines: lines}}
	b.next++
	for i := range lines {
		c.lines = append(c.lines, &line{chip: c, offset: i})
	}
	b.chips = append(b.chips, c)
	return c
}

// Pull pulls a chip: whoever has it open gets ENODEV.
func (b *Board) Pull(c *Chip) {
	b.mu.Lock()
	b.chips = slices.DeleteFunc(b.chips, func(x *Chip) bool { return x == c })
	b.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.gone = true
	for _, l := range c.lines {
		if l.taken != nil {
			l.taken.hangUp()
		}
		l.taken = nil
	}
}

// Plug plugs a pulled chip in again, under its old number.
func (b *Board) Plug(c *Chip) {
	c.mu.Lock()
	c.gone = new(bool)
	c.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.chips, c) {
		b.chips = append(b.chips, c)
	}
}

// Deny makes opening a chip fail for want of permission, or no longer.
func (b *Board) Deny(c *Chip, denied bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.denied[c.Path()] = denied
}

// Paths implements [cdev.System].
func (b *Board) Paths() ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for _, c := range b.chips {
		list = append(list, c.Path())
	}
	return list, nil
}

// Open implements [cdev.System].
func (b *Board) Open(path string) (cdev.Chip, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.chips {
		if c.Path() != path && c.info.Name != strings.TrimPrefix(path, "/dev/") {
			continue
		}
		if b.denied[c.Path()] {
			return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.opened++
		return &handle{chip: c, gone: c.gone}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT}
}
