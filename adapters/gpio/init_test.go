package gpio

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// kernelEnv says that the tests run below a kernel that has gpio-sim and is theirs
// alone: see scripts/gpio-uml.
const kernelEnv = "HUB_GPIO_KERNEL"

// runAsInit is the first process of such a kernel: it mounts what the tests need, runs
// them, says how they ended, and stops the machine.
func runAsInit(*testing.M) int {
	status := 1
	defer func() {
		fmt.Printf("gpio-uml: status %d\n", status)
		unix.Sync()
		if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
			fmt.Println("gpio-uml:", err)
		}
	}()
	for _, m := range []struct{ kind, at string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"configfs", "/sys/kernel/config"}, {"devtmpfs", "/dev"},
	} {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			fmt.Println("gpio-uml: mount", m.at, err)
			return status
		}
	}
	if err := os.MkdirAll("/dev/tmp", 0o777); err != nil {
		fmt.Println("gpio-uml:", err)
		return status
	}
	release, _ := os.ReadFile("/proc/version")
	fmt.Println("gpio-uml:", strings.TrimSpace(string(release)))
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.timeout=4m", "-test.run="+os.Getenv("HUB_GPIO_RUN"))
	cmd.Env = append(os.Environ(), "TMPDIR=/dev/tmp", "PATH=/usr/bin:/bin")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	if err := cmd.Run(); err != nil {
		fmt.Println("gpio-uml:", err)
		return status
	}
	status = 0
	return status
}
