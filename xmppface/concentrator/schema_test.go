package concentrator

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fieldhub/hub/xmppface/ext/exttest"
)

// requests are the elements of the schema that a client sends in an iq, by their verbs.
var requests = regexp.MustCompile(`^(get|set|contains?|create|destroy|move|execute|abort|(un)?register|(un)?subscribe)([A-Z]|$)`)

// Every request of the published schema is served and listed, and nothing else is listed.
func TestSchemaIsServed(t *testing.T) {
	dir := os.Getenv(exttest.SchemasEnv)
	if dir == "" {
		t.Skipf("%s is not set: the folder of the published schemas", exttest.SchemasEnv)
	}
	doc, err := os.ReadFile(filepath.Join(dir, "Concentrator.xsd"))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Elements []struct {
			Name string `xml:"name,attr"`
		} `xml:"element"`
	}
	if err := xml.Unmarshal(doc, &schema); err != nil {
		t.Fatal(err)
	}
	_, link, s := pair(t, newFake(), NSNF)
	answer := ask(t, s, link, ops, "get", op("getCapabilities", "", ""))
	var known []string
	for _, e := range schema.Elements {
		if !requests.MatchString(e.Name) {
			continue
		}
		known = append(known, e.Name)
		if _, served := s.operations[e.Name]; !served {
			t.Errorf("%s is in the schema and not served", e.Name)
		}
		if !strings.Contains(answer, "<value>"+e.Name+"</value>") {
			t.Errorf("%s is served and not among the capabilities", e.Name)
		}
	}
	if len(known) != 39 {
		t.Errorf("the schema has %d requests, not 39: %q", len(known), known)
	}
	for _, name := range s.names {
		if !slices.Contains(known, name) {
			t.Errorf("%s is among the capabilities and not in the schema", name)
		}
	}
}
