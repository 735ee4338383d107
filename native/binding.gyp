# The build for machines without CMake: what CMakeLists.txt does, from the same sources.json, by node-gyp.
# Run through `pnpm build:native`.
{
  'target_defaults': {
    'include_dirs': ['include', 'src'],
    'defines': ['NDEBUG'],
    'cflags': ['-O3', '-pthread', '-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra'],
    'cflags_cc': ['-std=c++20', '-fvisibility-inlines-hidden'],
    # What Node.js was compiled with, which node-gyp passes on.
    'cflags_cc!': ['-std=gnu++17', '-std=gnu++20', '-fno-rtti', '-fno-exceptions'],
    'conditions': [['target_arch == "x64"', {'cflags': ['-march=x86-64-v2']}]],
    'target_conditions': [
      ['_type == "static_library"', {
        'sources': ['<!@(node scripts/sources.mjs cpuKernels)'],
        'cflags': ['-fno-math-errno', '-fno-trapping-math'],
      }],
    ],
  },
  'targets': [
    {
      'target_name': 's2sam_cpu',
      'type': 'loadable_module',
      'sources': ['<!@(node scripts/sources.mjs addon cpu)'],
      'include_dirs': ['<!(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': [
        'NAPI_VERSION=8',
        'NAPI_CPP_EXCEPTIONS',
        'NODE_ADDON_API_REQUIRE_BASIC_FINALIZERS',
        'S2SAM_VERSION="<!(node -p "require(\'./package.json\').version")"',
      ],
      'ldflags': ['-pthread', '-Wl,-z,nodelete', '-Wl,-z,now', '-Wl,--exclude-libs,ALL'],
      # Baseline first, see cmake/isa.cmake.
      'dependencies': ['kernels_baseline'],
      'conditions': [['target_arch == "x64"', {'dependencies': ['kernels_avx2', 'kernels_avx512']}]],
    },
    {
      'target_name': 'kernels_baseline',
      'type': 'static_library',
      'defines': ['S2SAM_ISA=baseline'],
    },
  ],
  'variables': {'images%': 0},
  'conditions': [
    ['images == 1', {
      'targets': [
        {
          'target_name': 's2sam_images',
          'type': 'loadable_module',
          'sources': ['<!@(node scripts/sources.mjs images)'],
          'include_dirs': ['<!(node -p "require(\'node-addon-api\').include_dir")'],
          'defines': [
            'NAPI_VERSION=8',
            'NAPI_CPP_EXCEPTIONS',
            'NODE_ADDON_API_REQUIRE_BASIC_FINALIZERS',
            'S2SAM_VERSION="<!(node -p "require(\'./package.json\').version")"',
          ],
          'libraries': ['-ljpeg'],
          'ldflags': ['-pthread', '-Wl,-z,nodelete', '-Wl,-z,now', '-Wl,--exclude-libs,ALL'],
        },
      ],
    }],
    ['target_arch == "x64"', {
      'targets': [
        {
          'target_name': 'kernels_avx2',
          'type': 'static_library',
          'defines': ['S2SAM_ISA=avx2'],
          'cflags': ['-mavx2', '-mfma', '-mf16c'],
        },
        {
          'target_name': 'kernels_avx512',
          'type': 'static_library',
          'defines': ['S2SAM_ISA=avx512'],
          'cflags': [
            '-mavx2', '-mfma', '-mf16c',
            '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mprefer-vector-width=512',
          ],
        },
      ],
    }],
  ],
}
