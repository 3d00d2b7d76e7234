package webui

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Site is how a gateway names itself on the pages. The zero value is Stint's own look.
type Site struct {
	// Name stands where `Stint` does: in the header and in titles. At most 40 letters.
	Name string
	// Logo is the path of a picture beside the name: SVG, PNG or WebP, of at most 64 KiB. It is read at the start.
	Logo string
	// Colour is the main colour of buttons and links, as #rrggbb. It must be dark enough to be read on white.
	Colour string
	// HelpURL and TermsURL are linked in the header: http, https, or mailto for help.
	HelpURL, TermsURL string
}

const (
	longestName = 40
	largestLogo = 64 << 10
	logoName    = "site-logo"
	// readable is the least contrast of text to its ground: WCAG 2.2, criterion 1.4.3.
	readable = 4.5
)

// logoTypes are the pictures that a page may show, by the end of their names.
var logoTypes = map[string]string{".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp"}

// Check returns what is wrong with the site, all of it, each by the name of its setting.
func (s Site) Check() error {
	var errs []error
	if n := len([]rune(s.Name)); n > longestName {
		errs = append(errs, fmt.Errorf("--site-name: it has %d letters; %d is the most", n, longestName))
	}
	if s.Logo != "" {
		if _, err := s.logo(); err != nil {
			errs = append(errs, fmt.Errorf("--site-logo: %w", err))
		}
	}
	if s.Colour != "" {
		if c, err := contrastToWhite(s.Colour); err != nil {
			errs = append(errs, fmt.Errorf("--site-colour: %w", err))
		} else if c < readable {
			errs = append(errs, fmt.Errorf("--site-colour: %s has a contrast of %.1f to white, and text needs %.1f; choose a darker one", s.Colour, c, readable))
		}
	}
	if s.HelpURL != "" && !isPage(s.HelpURL) && !isMail(s.HelpURL) {
		errs = append(errs, fmt.Errorf("--site-help-url: %q is no address, such as https://gateway.example.org/help or mailto:help@example.org", s.HelpURL))
	}
	if s.TermsURL != "" && !isPage(s.TermsURL) {
		errs = append(errs, fmt.Errorf("--site-terms-url: %q is no address of a page, such as https://gateway.example.org/terms", s.TermsURL))
	}
	return errors.Join(errs...)
}

func isPage(link string) bool {
	u, err := url.Parse(link)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

func isMail(link string) bool {
	u, err := url.Parse(link)
	return err == nil && u.Scheme == "mailto" && strings.Contains(u.Opaque, "@")
}

// logo reads the logo. Its type is what its name says.
func (s Site) logo() (asset, error) {
	kind := logoTypes[strings.ToLower(filepath.Ext(s.Logo))]
	if kind == "" {
		return asset{}, fmt.Errorf("%s is no .svg, .png or .webp", s.Logo)
	}
	info, err := os.Stat(s.Logo)
	if err != nil {
		return asset{}, err
	}
	if info.Size() > largestLogo || !info.Mode().IsRegular() {
		return asset{}, fmt.Errorf("%s has %d bytes; a file of at most %d is taken", s.Logo, info.Size(), largestLogo)
	}
	text, err := os.ReadFile(s.Logo)
	if err != nil {
		return asset{}, err
	}
	return newAsset(logoName+strings.ToLower(filepath.Ext(s.Logo)), text), nil
}

// tag is how the pages learn of the site: an element of their head, empty without one.
func (s Site) tag(logo string) (string, error) {
	if s == (Site{}) {
		return "", nil
	}
	said, err := json.Marshal(map[string]string{"name": s.Name, "logo": logo, "colour": s.Colour, "help": s.HelpURL, "terms": s.TermsURL})
	if err != nil {
		return "", fmt.Errorf("write the site: %w", err)
	}
	return `<meta name="stint-site" content="` + html.EscapeString(string(said)) + `">`, nil
}

var hexColour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// contrastToWhite returns the contrast of a colour to white, from 1 to 21, as WCAG 2.2 defines it.
func contrastToWhite(colour string) (float64, error) {
	if !hexColour.MatchString(colour) {
		return 0, fmt.Errorf("%q is no colour such as #0f6b5c", colour)
	}
	rgb, err := strconv.ParseUint(colour[1:], 16, 32)
	if err != nil {
		return 0, fmt.Errorf("read the colour %q: %w", colour, err)
	}
	linear := func(shift uint) float64 {
		c := float64(rgb>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	luminance := 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
	return 1.05 / (luminance + 0.05), nil
}
