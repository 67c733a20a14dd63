//go:build !linux

package cdev

import (
	"errors"
	"time"
)

// Kernel is the system of this machine, which has no GPIO: Linux only.
type Kernel struct{ Dir string }

var started = time.Now()

// Now is the clock of edges.
func Now() time.Duration { return time.Since(started) }

// Paths implements [System].
func (Kernel) Paths() ([]string, error) { return nil, nil }

// Open implements [System].
func (Kernel) Open(string) (Chip, error) { return nil, errors.New("GPIO is served on Linux only") }

// Boot names the present boot of the machine, which is not known here.
func Boot() string { return "" }

// Group returns the group that owns a file, which is not known here.
func Group(string) string { return "" }
