package mqtttest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrNotInstalled says that there is no Mosquitto on this machine.
var ErrNotInstalled = errors.New("mosquitto is not installed (Debian package mosquitto)")

// Mosquitto is a running Mosquitto on 127.0.0.1.
type Mosquitto struct {
	Port int
	Log  *bytes.Buffer // to be read after Close

	cmd *exec.Cmd
}

// StartMosquitto starts a Mosquitto on a free port; lines are added to its configuration,
// which is written into the folder. Whoever starts it closes it.
func StartMosquitto(folder string, lines ...string) (*Mosquitto, error) {
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto" // not in everybody's PATH
		if _, err := os.Stat(program); err != nil {
			return nil, ErrNotInstalled
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	conf := fmt.Sprintf("listener %d 127.0.0.1\nset_tcp_nodelay true\n%s\n", port, strings.Join(lines, "\n"))
	if !strings.Contains(conf, "allow_anonymous") {
		conf += "allow_anonymous true\n"
	}
	if os.Geteuid() == 0 {
		conf += "user root\n" // else it could not read the files of a test
	}
	file := filepath.Join(folder, "mosquitto.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	m := &Mosquitto{Port: port, Log: new(bytes.Buffer), cmd: exec.Command(program, "-c", file)}
	m.cmd.Stdout, m.cmd.Stderr = m.Log, m.Log
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
			return m, nil
		}
		if time.Now().After(end) {
			m.Close()
			return nil, fmt.Errorf("mosquitto does not listen: %w: %s", err, m.Log)
		}
	}
}

// Close ends it.
func (m *Mosquitto) Close() {
	m.cmd.Process.Kill()
	m.cmd.Wait()
}
