package gpio

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// daemonEnv is the path of the hub to run.
const daemonEnv = "HUB_GPIO_DAEMON"

// loopback sets up the loopback interface of a kernel that just began.
func loopback(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var request struct { // ifreq
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], "lo")
	request.flags = unix.IFF_UP | unix.IFF_RUNNING
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		t.Fatal(errno)
	}
}

// The daemon itself is killed while an output is on: when it is started again, the
// output takes its safe value. Clients see it all over XMPP.
func TestKernelDaemon(t *testing.T) {
	s := newSim(t, "cabinet", 4, "DOOR", "LAMP")
	program := os.Getenv(daemonEnv)
	if program == "" {
		t.Skip("no daemon is given as " + daemonEnv)
	}
	loopback(t)
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("hub.yaml", "data: data\nlocal: {listen: \"127.0.0.1:0\"}\nlog: {level: warn}\n")
	write("tree.yaml", `- name: cabinet
  type: gpio.chip
  params: {Chip: cabinet}
  children:
    - {name: door, type: gpio.input, params: {Line: DOOR, Count: rising}}
    - {name: lamp, type: gpio.output, params: {Line: LAMP, Initial: last}}
`)
	hub := func(args ...string) (string, error) {
		cmd := exec.Command(program, append(args, "--data", "data")...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := hub(args...)
		if err != nil {
			t.Fatalf("hub %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return out
	}
	daemon := func() *exec.Cmd {
		t.Helper()
		cmd := exec.Command(program, "run", "-c", "hub.yaml")
		cmd.Dir = dir
		cmd.Stderr = os.Stdout
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		eventuallyWithin(t, time.Minute, "the hub can be reached", func() bool { _, err := hub("ls"); return err == nil })
		return cmd
	}
	first := daemon()
	must("import", "tree.yaml")
	eventually(t, "the door is read", func() bool { out, _ := hub("read", "cabinet/door"); return strings.Contains(out, "false") })
	s.drive(0, true)
	eventually(t, "the door is open", func() bool {
		out, _ := hub("read", "cabinet/door")
		return strings.Contains(out, "true") && strings.Contains(out, "door count")
	})
	must("set", "cabinet/lamp", "true")
	if !s.level(1) {
		t.Error("the lamp was set, and its line is low")
	}
	time.Sleep(15 * time.Second) // the stated time within which counts and marks are on disk
	t.Logf("\n%s", must("read", "cabinet"))
	t.Logf("\n%s", must("query", "cabinet", "ListLines"))
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.Wait()
	s.drive(0, false)
	second := daemon()
	eventually(t, "the lamp is off", func() bool { out, _ := hub("read", "cabinet/lamp"); return strings.Contains(out, "false") })
	if s.level(1) {
		t.Error("the line is high")
	}
	if out := must("read", "cabinet/door"); !strings.Contains(out, "count") || !strings.Contains(out, " 1") {
		t.Errorf("the count was lost: %s", out)
	}
	must("set", "cabinet/lamp", "true")
	if err := second.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("the hub ended with %v", err)
	}
	daemon()
	eventually(t, "after a stop the lamp is as before", func() bool { out, _ := hub("read", "cabinet/lamp"); return strings.Contains(out, "true") })
}
