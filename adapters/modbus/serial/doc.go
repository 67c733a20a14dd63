// Package serial opens serial ports for lines with a strict sense of time: any baud
// rate, RS-485 direction by the kernel, deadlines by the runtime's poller, and an
// end at once when the adapter is pulled. It knows nothing of Modbus.
//
// It stands on termios(3) and tty_ioctl(2) itself: of the libraries,
// goburrow/serial sleeps in place of waiting for bytes and has no deadlines of its
// own, and go.bug.st/serial has neither RS-485 direction nor a descriptor to set it
// with.
package serial
