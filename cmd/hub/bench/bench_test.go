package bench

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
)

func TestMain(m *testing.M) {
	if os.Getenv("HUB_BENCH") == "" {
		fmt.Println("benchmarks run with make bench")
		return
	}
	switch os.Getenv("HUB_BENCH_ROLE") { // a child, see child
	case "plant":
		runPlant(os.Args[1])
		return
	case "bare":
		runBare(os.Args[1:])
		return
	case "mqttbare":
		runMQTTBare(os.Args[1])
		return
	}
	fmt.Printf("%s, %s/%s, %d processors, %s\n", time.Now().UTC().Format("2006-01-02"), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	code := m.Run()
	for _, file := range programs {
		os.Remove(file)
	}
	os.Exit(code)
}

func median[T cmp.Ordered](list []T) T {
	list = slices.Clone(list)
	slices.Sort(list)
	return list[len(list)/2]
}

func TestModbus(t *testing.T) {
	server := modbustest.NewServer()
	server.Unit(1).SetWords(wire.HoldingRegister, 0, make([]uint16, 100)...)
	if err := server.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go server.Run(t.Context())
	bare, line, err := modbus.Speed(t.Context(), server.Addr(), 21, 2000)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\nModbus TCP, 10 registers per request, one connection (medians of 21 rounds of 2,000)\n\n")
	fmt.Printf("| | per request | requests/s |\n|---|---|---|\n")
	fmt.Printf("| bare goburrow | %v | %.0f |\n", bare.Round(10*time.Nanosecond), 1/bare.Seconds())
	fmt.Printf("| hub's line | %v | %.0f |\n", line.Round(10*time.Nanosecond), 1/line.Seconds())
	fmt.Printf("| ratio | | %.2f (required: 0.8) |\n", bare.Seconds()/line.Seconds())
}

// TestDemo measures the binary, a hub that has little to do, and the demo.
func TestDemo(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "hub")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "../../../cmd/hub")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(bin)
	if err != nil {
		t.Fatal(err)
	}
	demo := exec.Command(bin, "demo", "--quiet")
	demo.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	defer demo.Wait()
	defer demo.Process.Signal(syscall.SIGTERM)
	server := modbustest.NewServer()
	fullBus(&server.Bus, 8, 0)
	if err := server.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go server.Run(t.Context())
	host, port, _ := strings.Cut(server.Addr(), ":")
	daemon := startDaemon(t, fullTree(fmt.Sprintf("type: modbus.gateway\n  params: {Host: %s, Port: %s, PollInterval: 1s}", host, port), 8))
	defer daemon.Wait()
	defer daemon.Process.Signal(syscall.SIGTERM)

	const settle, window = 15 * time.Second, 30 * time.Second
	time.Sleep(settle)
	running := []int{daemon.Process.Pid, demo.Process.Pid}
	before := []int{ticks(t, running[0]), ticks(t, running[1])}
	time.Sleep(window)
	fmt.Printf("\nA hub that has little to do (24 registers of 8 units polled at 1 s), and the demo (another 23, its plant, a serial line, an MQTT broker with its devices, a fan's tachometer of 25 Hz and a client, all simulated in the same process), after %v, over %v\n\n", settle, window)
	fmt.Printf("| | hub | demo |\n|---|---|---|\n| resident memory |")
	for _, pid := range running {
		fmt.Printf(" %.1f MB |", float64(memory(t, pid, "VmRSS"))/1024)
	}
	fmt.Printf("\n| CPU |")
	for i, pid := range running {
		fmt.Printf(" %.2f %% of a core |", float64(ticks(t, pid)-before[i])/window.Seconds())
	}
	fmt.Printf("\n| stripped binary | %.1f MB | |\n", float64(info.Size())/1e6)
}

// ticks is the CPU time of a process in hundredths of a second (proc(5)).
func ticks(t *testing.T, pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return user + system
}

// memory is a line of a process's account of its memory, in kB (proc(5), status).
func memory(t *testing.T, pid int, name string) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(l, name+":"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no " + name)
	return 0
}
