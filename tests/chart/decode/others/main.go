// Reads YAML documents by the types of cert-manager, KEDA and the Prometheus operator, strictly: a field
// that they do not have is an error. Other kinds are left out.
//
//	go build && ./others ../../golden/*.yaml
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// By API version and kind; each reading starts with a new one.
var kinds = map[string]func() any{
	"cert-manager.io/v1 Certificate":          func() any { return new(certmanager.Certificate) },
	"cert-manager.io/v1 Issuer":               func() any { return new(certmanager.Issuer) },
	"keda.sh/v1alpha1 ScaledObject":           func() any { return new(keda.ScaledObject) },
	"keda.sh/v1alpha1 TriggerAuthentication":  func() any { return new(keda.TriggerAuthentication) },
	"monitoring.coreos.com/v1 PodMonitor":     func() any { return new(monitoring.PodMonitor) },
	"monitoring.coreos.com/v1 ServiceMonitor": func() any { return new(monitoring.ServiceMonitor) },
	"monitoring.coreos.com/v1 PrometheusRule": func() any { return new(monitoring.PrometheusRule) },
}

func read(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(content)))
	defer documents.Close()
	buffer := make([]byte, 4<<20)
	for {
		size, err := documents.Read(buffer)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		var meta metav1.TypeMeta
		if err := strict.Unmarshal(buffer[:size], &meta); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		name := meta.APIVersion + " " + meta.Kind
		object := kinds[name]
		if object == nil {
			continue
		}
		if err := strict.UnmarshalStrict(buffer[:size], object()); err != nil {
			return fmt.Errorf("%s: %s: %w", path, name, err)
		}
		fmt.Println(path, name)
	}
}

func main() {
	failed := false
	for _, path := range os.Args[1:] {
		if err := read(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}
