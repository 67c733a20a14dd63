package app

import "golang.org/x/sys/unix"

// The requests that read and set a terminal's properties (ioctl_tty(2)).
const getTermios, setTermios = unix.TCGETS, unix.TCSETSF
