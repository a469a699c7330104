// Reads YAML documents by Kubernetes' own types, strictly: a kind or a field that they do not have is an
// error. Kinds of other makers' APIs are named and left out. Built once with the types of the oldest
// supported version (oldest.mod) and once with those of the newest (newest.mod).
//
//	go build -modfile=newest.mod && ./decode ../golden/*.yaml
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

var others = []string{"monitoring.coreos.com/", "cert-manager.io/", "keda.sh/"}

// decodeFile returns how many objects the file has, and an error for each that is not well formed.
func decodeFile(decoder runtime.Decoder, path string) (int, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var problems []error
	count := 0
	documents := yaml.NewYAMLToJSONDecoder(bytes.NewReader(content))
	for {
		var raw runtime.RawExtension
		if err := documents.Decode(&raw); err == io.EOF {
			break
		} else if err != nil {
			return count, err
		}
		if len(raw.Raw) == 0 || string(raw.Raw) == "null" {
			continue
		}
		_, kind, err := decoder.Decode(raw.Raw, nil, nil)
		if runtime.IsNotRegisteredError(err) && isOthers(kind.GroupVersion().String()) {
			fmt.Printf("%s: %s left out\n", path, kind)
			continue
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %v: %w", path, kind, err))
		}
		count++
	}
	return count, errors.Join(problems...)
}

func isOthers(group string) bool {
	for _, other := range others {
		if strings.HasPrefix(group, other) {
			return true
		}
	}
	return false
}

func main() {
	decoder := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme.Scheme,
		scheme.Scheme, serializer.SerializerOptions{Strict: true})
	failed := false
	for _, path := range os.Args[1:] {
		count, err := decodeFile(decoder, path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			failed = true
		}
		fmt.Printf("%s: %d objects\n", path, count)
	}
	if failed {
		os.Exit(1)
	}
}
