//go:build !linux

package app

import "golang.org/x/sys/unix"

// The requests that read and set a terminal's properties (termios(4)).
const getTermios, setTermios = unix.TIOCGETA, unix.TIOCSETAF
