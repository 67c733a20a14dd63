package serial

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Open opens a port by its path, for this process alone. The file has deadlines; a
// read that comes to an end, or EIO, says that the adapter is gone. The caller must
// close it at once then, or the adapter comes back under another name. The error
// tells the person at the box what to do.
func Open(path string, s Settings) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, plainly(path, err)
	}
	if err := prepare(fd, s); err != nil {
		unix.Close(fd)
		return nil, plainly(path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

func prepare(fd int, s Settings) error {
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		return err
	}
	if err := unix.IoctlSetInt(fd, unix.TIOCEXCL, 0); err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = unix.IGNBRK|unix.IGNPAR, 0, 0
	t.Cflag = unix.CLOCAL | unix.CREAD | unix.BOTHER | unix.CS8
	if s.DataBits == 7 {
		t.Cflag = t.Cflag&^unix.CSIZE | unix.CS7
	}
	if s.StopBits == 2 {
		t.Cflag |= unix.CSTOPB
	}
	switch s.Parity {
	case Even:
		t.Cflag |= unix.PARENB
	case Odd:
		t.Cflag |= unix.PARENB | unix.PARODD
	case Mark:
		t.Cflag |= unix.PARENB | unix.PARODD | unix.CMSPAR
	case Space:
		t.Cflag |= unix.PARENB | unix.CMSPAR
	}
	if s.Parity != None {
		t.Iflag |= unix.INPCK
	}
	t.Ispeed, t.Ospeed = uint32(s.Baud), uint32(s.Baud)
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS2, t); err != nil {
		return fmt.Errorf("the port cannot do %s: %w", s, err)
	}
	if s.RS485.On {
		if err := direction(fd, s.RS485); err != nil {
			return fmt.Errorf("the port has no control of the RS-485 direction, turn RS485 off: %w", err)
		}
	}
	fast(fd)
	return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIOFLUSH)
}

// rs485 is struct serial_rs485 of linux/serial.h.
type rs485 struct {
	flags, before, after uint32
	_                    [5]uint32
}

func direction(fd int, r RS485) error {
	const enabled, onSend, afterSend = 1, 2, 4
	c := rs485{flags: enabled | onSend, before: uint32(r.Before.Milliseconds()), after: uint32(r.After.Milliseconds())}
	if r.Low {
		c.flags = enabled | afterSend
	}
	return ioctl(fd, unix.TIOCSRS485, unsafe.Pointer(&c))
}

// serialInfo is struct serial_struct of linux/serial.h, as far as it matters here.
type serialInfo struct {
	_     [4]int32
	flags int32
	_     [128]byte
}

// fast asks the driver to hand over bytes at once, where it can: USB adapters
// gather them for 16 ms otherwise.
func fast(fd int) {
	const lowLatency = 1 << 13
	var info serialInfo
	if ioctl(fd, unix.TIOCGSERIAL, unsafe.Pointer(&info)) == nil {
		info.flags |= lowLatency
		ioctl(fd, unix.TIOCSSERIAL, unsafe.Pointer(&info)) // not every driver can
	}
}

func ioctl(fd int, request uint, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// Sleep sleeps for a short time as precisely as the kernel can; the timers of the
// runtime are up to a millisecond late when nothing else happens.
func Sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	left := unix.NsecToTimespec(int64(d))
	for unix.Nanosleep(&left, &left) == unix.EINTR {
	}
}

// plainly says what is wrong and what to do.
func plainly(path string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("there is no serial port %s; %s", path, present())
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("permission denied for %s; add the user of the hub to the group dialout (usermod -aG dialout hub) and restart it", path)
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EWOULDBLOCK):
		return fmt.Errorf("%s is in use by another program; end it, or choose another port", path)
	case err == unix.ENOTTY: // of the port itself, not of something it cannot do
		return fmt.Errorf("%s is no serial port", path)
	}
	return err
}

// present names the ports of this machine.
func present() string {
	var list []string
	for _, pattern := range []string{"/dev/serial/by-id/*", "/dev/ttyUSB*", "/dev/ttyACM*", "/dev/ttyAMA*"} {
		found, err := filepath.Glob(pattern)
		if err == nil {
			list = append(list, found...)
		}
	}
	if len(list) == 0 {
		return "this machine has none that are known (/dev/serial/by-id is empty); is the adapter plugged in?"
	}
	return "there are: " + strings.Join(list, ", ")
}
