package webui

import (
	"encoding/json"
	"html"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestWhatIsWrongWithASiteIsSaidByItsSetting(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("logo.svg", largestLogo)
	for name, test := range map[string]struct {
		site Site
		want []string // parts of the error; none is no error
	}{
		"nothing":               {Site{}, nil},
		"all":                   {Site{"Phage Centre", good, "#0f6b5c", "mailto:help@example.org", "http://example.org/terms"}, nil},
		"forty letters":         {Site{Name: strings.Repeat("é", 40)}, nil},
		"a long name":           {Site{Name: strings.Repeat("é", 41)}, []string{"--site-name", "41"}},
		"no logo there":         {Site{Logo: filepath.Join(dir, "none.png")}, []string{"--site-logo", "no such file"}},
		"a large logo":          {Site{Logo: write("large.png", largestLogo+1)}, []string{"--site-logo", "65537"}},
		"a folder":              {Site{Logo: dir + "/x.svg/.."}, []string{"--site-logo"}},
		"a logo that is a page": {Site{Logo: write("logo.html", 1)}, []string{"--site-logo", "no .svg"}},
		"a light colour":        {Site{Colour: "#ffcc00"}, []string{"--site-colour", "4.5", "darker"}},
		"a name of a colour":    {Site{Colour: "red;x"}, []string{"--site-colour", "no colour"}},
		"a script":              {Site{HelpURL: "javascript:alert(1)"}, []string{"--site-help-url"}},
		"a path":                {Site{TermsURL: "/terms"}, []string{"--site-terms-url"}},
		"terms by mail":         {Site{TermsURL: "mailto:a@b"}, []string{"--site-terms-url"}},
		"two at once":           {Site{Colour: "x", TermsURL: "y"}, []string{"--site-colour", "--site-terms-url"}},
	} {
		err := test.site.Check()
		if (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want %q in it", name, err, part)
			}
		}
	}
}

func TestContrastIsThatOfTheStandard(t *testing.T) {
	// From WCAG's own examples and the ends of the scale.
	for colour, want := range map[string]float64{"#000000": 21, "#ffffff": 1, "#777777": 4.48, "#0000ff": 8.59} {
		if got, err := contrastToWhite(colour); err != nil || got < want-0.01 || got > want+0.01 {
			t.Errorf("%s: %.3f %v, want %.2f", colour, got, err, want)
		}
	}
}

func TestThePageSaysWhoseItIs(t *testing.T) {
	logo := filepath.Join(t.TempDir(), "Logo.SVG")
	if err := os.WriteFile(logo, []byte("<svg/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	site := Site{Name: `A "B" <C>`, Logo: logo, HelpURL: "https://example.org/?a=1&b=2"}
	p, err := newPages(built(), Config{PathPrefix: "stint", Site: site})
	if err != nil {
		t.Fatal(err)
	}
	_, body := serve(t, p, http.MethodGet, "/jobs")
	found := regexp.MustCompile(`<base href="/stint/"><meta name="stint-site" content="([^"]*)">`).FindStringSubmatch(body)
	if found == nil {
		t.Fatalf("no site in %s", body)
	}
	var said map[string]string
	if err := json.Unmarshal([]byte(html.UnescapeString(found[1])), &said); err != nil {
		t.Fatal(err)
	}
	if said["name"] != site.Name || said["help"] != site.HelpURL || said["logo"] != "site-logo.svg" {
		t.Errorf("%v", said)
	}
	if resp, body := serve(t, p, http.MethodGet, "/site-logo.svg"); resp.Status != http.StatusOK || body != "<svg/>" || resp.Header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("the logo: %d %v %q", resp.Status, resp.Header, body)
	}
	if _, err := newPages(built(), Config{Site: Site{Logo: logo + ".gone"}}); err == nil {
		t.Error("a logo that cannot be read is no error")
	}
}
