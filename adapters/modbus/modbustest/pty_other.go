//go:build !linux

package modbustest

import (
	"errors"
	"os"
	"time"
)

func openPTY() (*os.File, string, error) {
	return nil, "", errors.New("simulated serial lines exist on Linux only")
}

func baudRate(*os.File) (int, error) { return 0, errors.ErrUnsupported }

func nap(d time.Duration) { time.Sleep(d) }
