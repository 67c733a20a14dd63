package exttest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
)

// SchemasEnv names the environment variable with the folder of the published
// schemas, which holds a program "validate" that takes files of one payload each.
const SchemasEnv = "HUB_SCHEMAS"

var record struct {
	mu   sync.Mutex
	dir  string // empty: nothing is recorded
	seen map[[sha256.Size]byte]bool
}

// published finds the namespace of a payload that has a published schema.
var published = regexp.MustCompile(`^\s*<[^>]*\sxmlns\s*=\s*['"]urn:(nfi|nf|ieee):iot:`)

// Record keeps a payload for [Run] to check. It does nothing where Run was not
// called, no schemas are at hand, or the payload's namespace has none. Safe for
// concurrent use.
func Record(payload []byte) {
	record.mu.Lock()
	defer record.mu.Unlock()
	if record.dir == "" || !published.Match(payload) {
		return
	}
	sum := sha256.Sum256(payload)
	if record.seen[sum] {
		return
	}
	record.seen[sum] = true
	name := filepath.Join(record.dir, hex.EncodeToString(sum[:8])+".xml")
	if err := os.WriteFile(name, payload, 0o600); err != nil {
		panic(err) // a test without its record would pass for nothing
	}
}

// RecordStanza records the payload of a whole stanza, as a trace of a session has
// it.
func RecordStanza(stanza []byte) {
	from, to := bytes.IndexByte(stanza, '>'), bytes.LastIndex(stanza, []byte("</"))
	if from >= 0 && to > from {
		Record(stanza[from+1 : to])
	}
}

// Main is a TestMain: it does what [Run] does and exits.
func Main(m *testing.M, checks ...func() error) { os.Exit(Run(m, checks...)) }

// Run runs the tests, then checks every recorded payload
// against the schemas in the folder that [SchemasEnv] names, then calls the
// checks; the first that fails, fails the run. Without the variable nothing is
// recorded. It returns the exit code.
func Run(m interface{ Run() int }, checks ...func() error) int {
	schemas := os.Getenv(SchemasEnv)
	if schemas != "" {
		dir, err := os.MkdirTemp("", "payloads")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		record.dir, record.seen = dir, make(map[[sha256.Size]byte]bool)
	}
	code := m.Run()
	if record.dir != "" {
		if err := validate(schemas, record.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		} else {
			os.RemoveAll(record.dir)
		}
	}
	for _, check := range checks {
		if code != 0 {
			break
		}
		if err := check(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// validate checks the files of a folder, many in one call.
func validate(schemas, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.xml"))
	if err != nil {
		return err
	}
	const most = 500 // bounds the command line
	for len(files) > 0 {
		n := min(most, len(files))
		var out bytes.Buffer
		cmd := exec.Command(filepath.Join(schemas, "validate"), files[:n]...)
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("payloads do not follow the published schemas (%w); they are kept in %s:\n%s", err, dir, out.Bytes())
		}
		files = files[n:]
	}
	return nil
}
