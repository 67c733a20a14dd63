//go:build !linux

package serial

import (
	"errors"
	"os"
	"time"
)

// Open fails: serial ports are served on Linux only.
func Open(string, Settings) (*os.File, error) {
	return nil, errors.New("serial ports are served on Linux only")
}

// Sleep sleeps for a short time.
func Sleep(d time.Duration) { time.Sleep(d) }
