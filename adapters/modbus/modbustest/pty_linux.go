package modbustest

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// openPTY makes a pseudo terminal in raw mode. The master is ours; the path is that
// of the other end, which exists until the master is closed. Whoever has the other
// end open then gets the end of the file or an I/O error, as when a USB adapter is
// pulled.
func openPTY() (master *os.File, path string, err error) {
	fd, err := syscall.Open("/dev/ptmx", syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", fmt.Errorf("cannot make a pseudo terminal: %w", err)
	}
	master = os.NewFile(uintptr(fd), "/dev/ptmx")
	var number, lock int32
	if err = ioctl(fd, syscall.TIOCSPTLCK, unsafe.Pointer(&lock)); err == nil {
		err = ioctl(fd, syscall.TIOCGPTN, unsafe.Pointer(&number))
	}
	var t termios2
	if err == nil {
		err = ioctl(fd, tcgets2, unsafe.Pointer(&t)) // of the other end
	}
	if err == nil {
		t.iflag, t.oflag, t.lflag = 0, 0, 0
		err = ioctl(fd, tcsets2, unsafe.Pointer(&t))
	}
	if err != nil {
		master.Close()
		return nil, "", fmt.Errorf("cannot make a pseudo terminal: %w", err)
	}
	return master, fmt.Sprintf("/dev/pts/%d", number), nil
}

// termios2 is the kernel's, which tells any baud rate.
type termios2 struct {
	iflag, oflag, cflag, lflag uint32
	line                       uint8
	cc                         [19]uint8
	ispeed, ospeed             uint32
}

// The same on amd64, arm64 and arm.
const (
	tcgets2 = 0x802c542a
	tcsets2 = 0x402c542b
)

// baudRate returns the rate to which the other end is set.
func baudRate(master *os.File) (int, error) {
	c, err := master.SyscallConn()
	if err != nil {
		return 0, err
	}
	var t termios2
	var failed error
	err = c.Control(func(fd uintptr) { failed = ioctl(int(fd), tcgets2, unsafe.Pointer(&t)) })
	if err == nil {
		err = failed
	}
	return int(t.ospeed), err
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
