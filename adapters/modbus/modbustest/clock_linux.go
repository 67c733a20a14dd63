package modbustest

import (
	"syscall"
	"time"
)

// nap sleeps without the granularity of a millisecond that the timers of the
// runtime have when nothing else happens.
func nap(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	syscall.Nanosleep(&t, nil)
}
